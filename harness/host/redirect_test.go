package host

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/harness/guest/guesttest"
)

func TestWhyNoOther(t *testing.T) {
	for name, c := range map[string]struct {
		image Image
		why   string
	}{
		"registry":   {Image{Name: "ghcr.io/example/os:stable", Transport: "registry", Verification: "signed"}, ""},
		"storage":    {Image{Name: "localhost/os", Transport: "containers-storage"}, "not from a registry"},
		"one digest": {Image{Name: "ghcr.io/example/os@sha256:" + strings.Repeat("0", 64), Transport: "registry"}, "for ever"},
	} {
		if why := WhyNoOther(c.image); (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: %q, want %q", name, why, c.why)
		}
	}
}

// TestAcceptUnsigned: a policy is opened for what is served, and for nothing else.
func TestAcceptUnsigned(t *testing.T) {
	const (
		anything = `[{"type":"insecureAcceptAnything"}]`
		signed   = `[{"type":"sigstoreSigned","keyPath":"/etc/pki/k.pub"}]`
		reject   = `[{"type":"reject"}]`
		here     = "192.168.127.1:5001/assay/os"
	)
	docker := func(scopes string) string {
		return `{"default":` + anything + `,"transports":{"docker":{` + scopes + `}}}`
	}
	image := Image{Name: "ghcr.io/example/os:stable", Transport: "registry", Verification: "unverified"}
	for name, c := range map[string]struct {
		policy string
		opens  []string
	}{
		"stock":             {docker(``), nil},
		"no policy":         {"", nil},
		"damaged":           {"{", nil},
		"all rejected":      {`{"default":` + reject + `}`, []string{image.Name, here}},
		"no default":        {`{}`, []string{image.Name, here}},
		"ours is not taken": {`{"default":` + reject + `,"transports":{"docker":{"ghcr.io":` + anything + `}}}`, []string{here}},
		"signed host":       {docker(`"ghcr.io":` + signed), []string{image.Name}},
		"signed domain":     {docker(`"*.io":` + signed), []string{image.Name}},
		"signed group":      {docker(`"ghcr.io/example":` + signed), []string{image.Name}},
		"signed tag":        {docker(`"ghcr.io/example/os:stable":` + signed), []string{image.Name}},
		"another's":         {docker(`"ghcr.io/other":` + signed + `,"ghcr.io/example/os:next":` + signed), nil},
		"narrower wins":     {docker(`"ghcr.io":` + signed + `,"ghcr.io/example/os":` + anything), nil},
		"all of docker":     {docker(`"":` + signed), []string{image.Name, here}},
		"both wanted":       {docker(`"ghcr.io":[{"type":"insecureAcceptAnything"},{"type":"signedBy"}]`), []string{image.Name}},
		"empty list":        {docker(`"ghcr.io":[]`), []string{image.Name}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range policyFiles {
				g := guesttest.New(t)
				for _, p := range policyFiles {
					g.LacksFile(p)
				}
				if c.policy != "" {
					g.HasFile(path, c.policy)
				}
				g.TakesFile(policyFiles[0])
				changed, err := AcceptUnsigned(t.Context(), g, image, image.Name, here)
				if err != nil || (len(changed) > 0) != (len(c.opens) > 0) {
					t.Fatalf("%s: %q, %v", path, changed, err)
				}
				text, was := g.Written(policyFiles[0])
				if was != (len(c.opens) > 0) {
					t.Fatalf("%s: written is %t", path, was)
				}
				if !was {
					continue
				}
				var now, before policy
				if json.Unmarshal([]byte(text), &now) != nil || json.Unmarshal([]byte(c.policy), &before) != nil {
					t.Fatalf("%s: %s", path, text)
				}
				for _, n := range []string{image.Name, here} {
					if !now.takesUnsigned(n) {
						t.Errorf("%s: %s is not taken by %s", path, n, text)
					}
				}
				if len(now.Transports["docker"]) != len(before.Transports["docker"])+len(c.opens) && name != "signed tag" {
					t.Errorf("%s: %s opens more than %q", path, text, c.opens)
				}
				const other = "quay.example/else:1"
				if now.takesUnsigned(other) != before.takesUnsigned(other) || strings.Contains(c.policy, "keyPath") && !strings.Contains(text, "keyPath") && name != "signed tag" {
					t.Errorf("%s: the rest of the policy is changed: %s", path, text)
				}
			}
		})
	}
}

// TestAcceptUnsignedOrigin: what a host follows is verified no more, and stays the same image.
func TestAcceptUnsignedOrigin(t *testing.T) {
	for _, verified := range []string{"ostree-remote-registry:fedora:q/os:1", "ostree-image-signed:docker://q/os:1"} {
		root := t.TempDir()
		sum := strings.Repeat("a", 64)
		file := filepath.Join(root, "sysroot/ostree/deploy/os/deploy", sum+".0.origin")
		touch(t, file, "[origin]\ncontainer-image-reference="+verified+"\n\n[packages]\nrequested=vim\n", 0o644)
		programs := map[string]string{
			"ostree":  `printf '* os ` + sum + `.0\n    Version: 1\n'`,
			"unshare": `shift; exec "$@"`, "mount": `exit 1`,
		}
		inRoot := func(script string) string { return strings.ReplaceAll(script, "/sysroot", root+"/sysroot") }
		image, ok := parseImage(verified)
		if !ok {
			t.Fatal(verified)
		}
		image.Verification = "unverified"
		out, exit := runScript(t, unverifiedScript, root, programs, image.Reference(), inRoot(imageOriginScript))
		got, err := os.ReadFile(file)
		if err != nil || exit != 0 || string(got) != "[origin]\ncontainer-image-reference=ostree-unverified-registry:q/os:1\n\n[packages]\nrequested=vim\n" {
			t.Errorf("%s: %s, %d, %s, %v", verified, got, exit, out, err)
		}
	}
	g := guesttest.New(t)
	for _, p := range policyFiles {
		g.LacksFile(p)
	}
	g.On("sh", "-c", unverifiedScript, "follow", "ostree-unverified-registry:q/os:1", imageOriginScript)
	changed, err := AcceptUnsigned(t.Context(), g, Image{Name: "q/os:1", Transport: "registry", Verification: "remote:fedora"}, "q/os:1")
	if err != nil || len(changed) != 1 || !strings.Contains(changed[0], "remote:fedora") {
		t.Errorf("%q, %v", changed, err)
	}
	g.AssertAllUsed()
}
