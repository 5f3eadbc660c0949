// Package hosttest has what unit tests of suites need to speak of hosts: plans
// for a fake guest, made of the model instead of the tools' output.
package hosttest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"assay/harness/guest/guesttest"
	"assay/harness/host"
)

// Sum is a checksum made of one hexadecimal digit: Sum('a').
func Sum(digit rune) string { return strings.Repeat(string(digit), 64) }

// PlanTools plans host.Detect: the guest has these tools and no others.
func PlanTools(g *guesttest.Fake, tools ...host.Tool) *guesttest.Plan {
	var out strings.Builder
	for _, t := range tools {
		fmt.Fprintln(&out, t)
	}
	return g.On("sh", "-c", guesttest.Containing("/run/ostree-booted ]; then")).Prints(out.String())
}

// RepoFile is where host.LayerFrom writes the guest's only source of packages.
const RepoFile = "/etc/yum.repos.d/assay.repo"

// PlanPackages plans host.LayerFrom, and returns the plan of host.LayerFromOwn.
func PlanPackages(g *guesttest.Fake) (back *guesttest.Plan) {
	g.On("sh", "-c", guesttest.Containing(`mv "$f" "$f.assay-aside"`), guesttest.Rest)
	g.TakesFile(RepoFile)
	g.TakesFile("/etc/pki/rpm-gpg/RPM-GPG-KEY-assay")
	return g.On("sh", "-c", guesttest.Containing(`mv "$f" "${f%.assay-aside}"`), guesttest.Rest)
}

// PlanStatus plans the status of one tool, by one answer after the other; the
// last one stays. The deployments need a stateroot and a whole checksum; what
// the tool cannot tell is lost, as it is on a real host. Pending and Rollback
// come from the order, for bootc from Staged, Booted and the order.
func PlanStatus(t testing.TB, g *guesttest.Fake, tool host.Tool, answers ...[]host.Deployment) *guesttest.Plan {
	t.Helper()
	var p *guesttest.Plan
	switch tool {
	case host.RPMOSTree:
		p = g.On("rpm-ostree", "status", "--json")
	case host.AtomicHost:
		p = g.On("atomic", "host", "status", "--json")
	case host.Bootc:
		p = g.On("bootc", "status", "--json")
	case host.OSTree:
		p = g.On("sh", "-c", guesttest.Containing("ostree admin status"))
	default:
		t.Fatalf("no status is known of tool %q", tool)
	}
	for i, a := range answers {
		if i > 0 {
			p = p.Then()
		}
		p = p.Prints(Output(t, tool, a))
	}
	return p
}

// Output is what the tool prints as its status, as JSON.
func Output(t testing.TB, tool host.Tool, all []host.Deployment) string {
	t.Helper()
	var out any
	switch tool {
	case host.Bootc:
		out = bootcStatus(t, all)
	case host.OSTree:
		list := []any{}
		for i, d := range all {
			list = append(list, map[string]any{"checksum": d.Checksum, "stateroot": d.OSName, "refspec": d.Origin, "serial": d.Serial,
				"index": i, "booted": d.Booted, "staged": d.Staged, "finalization-locked": d.DownloadOnly, "pinned": d.Pinned,
				"unlocked": unlocked(d), "version": d.Version})
		}
		out = map[string]any{"deployments": list}
	default:
		list := []any{}
		for _, d := range all {
			list = append(list, rpmOSTree(d))
		}
		out = map[string]any{"deployments": list, "transaction": nil, "cached-update": nil}
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

func unlocked(d host.Deployment) string {
	if d.Unlocked == "" {
		return "none"
	}
	return d.Unlocked
}

func rpmOSTree(d host.Deployment) map[string]any {
	packages := func(all []string) []string { return append([]string{}, all...) }
	nevra := func(s, name, evr string) []any {
		version, release, _ := strings.Cut(evr, "-")
		return []any{s, name, 0, version, release, "x86_64"}
	}
	out := map[string]any{
		"id": fmt.Sprintf("%s-%s.%d", d.OSName, d.Checksum, d.Serial), "osname": d.OSName, "serial": d.Serial, "checksum": d.Checksum,
		"version": d.Version, "timestamp": max(0, d.Timestamp.Unix()), "booted": d.Booted, "staged": d.Staged,
		"finalization-locked": d.DownloadOnly, "pinned": d.Pinned,
		"unlocked": unlocked(d), "packages": packages(d.Layered), "requested-packages": packages(d.Requested),
		"requested-local-packages": packages(d.LocalPackages), "regenerate-initramfs": d.RegenerateInitramfs,
		"initramfs-args": packages(d.InitramfsArgs), "gpg-enabled": d.Signed != nil,
	}
	if d.BaseChecksum != "" && d.BaseChecksum != d.Checksum {
		out["base-checksum"] = d.BaseChecksum
	}
	if d.LiveCommit != "" {
		out["live-replaced"] = d.LiveCommit
	}
	if d.Image != nil {
		out["container-image-reference"], out["container-image-reference-digest"] = d.Image.Reference(), d.Image.Digest
	} else {
		out["origin"] = d.Origin
	}
	if d.Signed != nil && *d.Signed {
		out["signatures"] = []any{[]any{true, false, false, false, false, strings.Repeat("A", 40)}}
	}
	removed := []any{}
	for _, p := range d.Removed {
		removed = append(removed, nevra(p, p, "0-0"))
	}
	replaced := []any{}
	for _, r := range d.Replaced {
		replaced = append(replaced, []any{nevra(r.Name+"-"+r.To, r.Name, r.To), nevra(r.Name+"-"+r.From, r.Name, r.From)})
	}
	out["base-removals"], out["base-local-replacements"] = removed, replaced
	return out
}

func bootcStatus(t testing.TB, all []host.Deployment) map[string]any {
	t.Helper()
	status := map[string]any{"staged": nil, "booted": nil, "rollback": nil, "rollbackQueued": false, "type": "bootcHost"}
	var spec any
	for _, d := range all {
		var image any
		if d.Image != nil {
			name := map[string]any{"image": d.Image.Name, "transport": d.Image.Transport}
			var at any
			if !d.Timestamp.IsZero() {
				at = d.Timestamp.Format("2006-01-02T15:04:05Z")
			}
			image = map[string]any{"image": name, "version": d.Version, "timestamp": at, "imageDigest": d.Image.Digest, "architecture": "amd64"}
			if spec == nil {
				spec = name
			}
		}
		entry := map[string]any{"image": image, "cachedUpdate": nil, "incompatible": false, "pinned": d.Pinned, "downloadOnly": d.DownloadOnly,
			"store": "ostreeContainer", "ostree": map[string]any{"checksum": d.Checksum, "deploySerial": d.Serial, "stateroot": d.OSName}}
		switch {
		case d.Staged:
			status["staged"] = entry
		case d.Booted:
			status["booted"] = entry
		case status["rollback"] == nil:
			status["rollback"] = entry
			status["rollbackQueued"] = status["booted"] == nil
		default:
			t.Fatalf("bootc tells one staged, one booted and one rollback deployment; this is one too many: %+v", d)
		}
	}
	return map[string]any{"apiVersion": "org.containers.bootc/v1", "kind": "BootcHost", "metadata": map[string]any{"name": "host"},
		"spec": map[string]any{"bootOrder": "default", "image": spec}, "status": status}
}
