// Package deploymentstest plays a host with deployments on a fake guest, so
// that tests of suites state what goes wrong and not every answer.
package deploymentstest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/harness/livedin"
	"assay/suites/check"
)

// Op is what was asked of the host.
type Op string

// The operations.
const (
	Upgrade   Op = "upgrade"
	Check     Op = "check" // also a preview
	Download  Op = "download"
	Deploy    Op = "deploy"
	Rebase    Op = "rebase"
	Rollback  Op = "rollback"
	Cleanup   Op = "cleanup"
	Undeploy  Op = "undeploy"
	Pin       Op = "pin"
	Unlock    Op = "unlock"
	Install   Op = "install"
	Uninstall Op = "uninstall"
	Reboot    Op = "reboot"
	PowerCut  Op = "power cut"
)

// Host is a guest that behaves as a healthy host does. Tests change its fields.
type Host struct {
	*guesttest.Fake
	Trees *check.Trees
	// Deployments are in boot order.
	Deployments []host.Deployment
	// URL, Ref and Verify are what the host was told to follow.
	URL    string
	Ref    string
	Verify bool
	// Marks are what is left of livedin's.
	Marks []livedin.Mark
	// Answer, when it returns a result, is the answer to an operation instead of
	// its work; arg is the commit, version or index that it names.
	Answer func(op Op, arg string) *guest.Result
	// After is called when an operation is done, and after a reboot.
	After func(op Op)

	t     testing.TB
	verbs map[string]func(args []string) guest.Result // by a tool's words
	mu    sync.Mutex                                  // an operation may run while the power is cut
}

// Trees are what tests serve: B is booted, C newer and A older; E has another kernel.
func Trees() *check.Trees {
	tree := func(digit rune, version string) check.Tree {
		return check.Tree{Ref: "os/stable", Commit: hosttest.Sum(digit), Version: version}
	}
	return &check.Trees{URL: "http://192.168.127.1:8000/repo", Slow: "http://192.168.127.1:8000/slow/", Cut: "http://192.168.127.1:8000/cut/",
		Ref: "os/stable", Booted: tree('b', "1"), Newer: tree('c', "1.2"), Older: []check.Tree{tree('a', "1.1")}, Derived: true,
		Kernel: check.Tree{Ref: "assay/kernel", Commit: hosttest.Sum('e'), Version: "1.3"}, KernelImage: "192.168.127.1:5001/os:1.3",
		ImageName: "192.168.127.1:5001/os", FollowImage: "192.168.127.1:5001/newest", NewerImage: "192.168.127.1:5001/os:1.2",
		OlderImages: []string{"192.168.127.1:5001/os:1.1"},
		Images: []check.Tree{{Image: "192.168.127.1:5001/os:1.2", Version: "1.2", Digest: "sha256:" + hosttest.Sum('c')},
			{Image: "192.168.127.1:5001/os:1.1", Version: "1.1", Digest: "sha256:" + hosttest.Sum('a')},
			{Image: "192.168.127.1:5001/os:1.3", Version: "1.3", Digest: "sha256:" + hosttest.Sum('e')}}}
}

// New plays a host that was just installed, with these tools.
func New(t testing.TB, g *guesttest.Fake, env *check.Env, tools ...host.Tool) *Host {
	h := &Host{Fake: g, Trees: Trees(), t: t, verbs: map[string]func([]string) guest.Result{}, Marks: slices.Clone(livedin.All)}
	env.Trees = h.Trees
	h.Deployments = []host.Deployment{h.Of(h.Trees.Booted, slices.Contains(tools, host.Bootc))}
	h.Deployments[0].Booted = true
	h.plan(tools)
	return h
}

// Upgraded is New after an upgrade and a reboot.
func Upgraded(t testing.TB, g *guesttest.Fake, env *check.Env, tools ...host.Tool) *Host {
	h := New(t, g, env, tools...)
	h.stage(h.Trees.Newer, true)
	h.restart()
	env.Lived = livedin.All
	return h
}

// Of is a deployment of a tree.
func (h *Host) Of(tree check.Tree, image bool) host.Deployment {
	d := host.Deployment{OSName: "os", Checksum: tree.Commit, BaseChecksum: tree.Commit, Version: tree.Version, Origin: "assay:" + tree.Ref}
	if image {
		d.Origin = ""
		d.Image = &host.Image{Name: "example.org/os:stable", Transport: "registry", Digest: "sha256:" + tree.Commit}
	}
	return d
}

// Booted is the running deployment, to be changed.
func (h *Host) Booted() *host.Deployment {
	return &h.Deployments[slices.IndexFunc(h.Deployments, func(d host.Deployment) bool { return d.Booted })]
}

func (h *Host) plan(tools []host.Tool) {
	hosttest.PlanTools(h.Fake, tools...)
	for _, tool := range tools {
		h.planStatus(tool)
	}
	h.HasFile("/etc/containers/policy.json", `{"default":[{"type":"insecureAcceptAnything"}]}`)
	ok := guest.Result{}
	h.On("sh", "-c", guesttest.Containing("ostree admin set-origin"), guesttest.Rest).Does(func(c guesttest.Call) (guest.Result, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.URL, h.Ref, h.Verify = c.Args[5], c.Args[6], c.Args[7] == "true"
		if b := h.Booted(); b.Image == nil {
			b.Origin = c.Args[4] + ":" + c.Args[6]
		}
		return ok, nil
	})
	h.On("sh", "-c", guesttest.Containing("registries.conf.d"), guesttest.Rest)
	h.On("sh", "-c", guesttest.Containing("/proc/sys/kernel/random/boot_id"), "livedin", guesttest.Rest).Does(func(guesttest.Call) (guest.Result, error) {
		var b strings.Builder
		for _, m := range h.Marks {
			fmt.Fprintln(&b, m)
		}
		return guest.Result{Stdout: b.String()}, nil
	})
	for _, command := range [][]string{{"rpm-ostree"}, {"atomic", "host"}, {"ostree", "admin"}, {"bootc"}} {
		stages := command[0] != "ostree" // which is not asked to, and writes at once
		deploy := func(args []string) guest.Result { return h.deploy(args, stages) }
		rebase := func(args []string) guest.Result { return h.rebase(args, stages) }
		follow := deploy // another image
		if command[0] == "ostree" {
			follow = rebase
		}
		for verb, do := range map[string]func(args []string) guest.Result{
			"upgrade": func(args []string) guest.Result { return h.upgrade(args, stages) }, "switch": follow, "rebase": rebase, "deploy": deploy, "rollback": func([]string) guest.Result { return h.work(Rollback, "", h.rollback) },
			"set-default": func([]string) guest.Result { return h.work(Rollback, "", h.rollback) },
			"cleanup":     h.cleanup, "undeploy": h.undeploy, "pin": h.pin, "unlock": h.unlock, "usr-overlay": h.unlock, "install": h.install, "uninstall": h.uninstall,
		} {
			words := append(slices.Clone(command), verb)
			h.verbs[strings.Join(words, " ")] = do
			h.On(append(words, guesttest.Rest)...).Does(func(c guesttest.Call) (guest.Result, error) { return h.Perform(c), nil })
		}
	}
	h.OnReboot(func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.restart()
		return nil
	})
	h.OnPowerCut(func() error { h.CutPower(); return nil })
}

// Perform does what a command of a tool does, as the host's own plan for it.
func (h *Host) Perform(c guesttest.Call) guest.Result {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n := len(c.Args); n > 0; n-- {
		if do := h.verbs[strings.Join(c.Args[:n], " ")]; do != nil {
			return do(c.Args[n:])
		}
	}
	panic(fmt.Sprintf("no tool knows %q", c.Args))
}

// CutPower takes away what is staged, as it lives in /run, and boots the first
// deployment.
func (h *Host) CutPower() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Deployments = slices.DeleteFunc(h.Deployments, func(d host.Deployment) bool { return d.Staged })
	for i := range h.Deployments {
		h.Deployments[i].Booted = i == 0
	}
	h.done(PowerCut)
}

func (h *Host) planStatus(tool host.Tool) {
	args := map[host.Tool][]string{host.RPMOSTree: {"rpm-ostree", "status", "--json"}, host.AtomicHost: {"atomic", "host", "status", "--json"},
		host.Bootc: {"bootc", "status", "--json"}, host.OSTree: {"sh", "-c", guesttest.Containing("ostree admin status")}}[tool]
	h.On(args...).Does(func(guesttest.Call) (guest.Result, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return guest.Result{Stdout: hosttest.Output(h.t, tool, h.Deployments)}, nil
	})
}

func (h *Host) done(op Op) {
	if h.After != nil {
		h.After(op)
	}
}

// work answers an operation: the test's answer, else do's.
func (h *Host) work(op Op, arg string, do func() string) guest.Result {
	if h.Answer != nil {
		if r := h.Answer(op, arg); r != nil {
			return *r
		}
	}
	out := do()
	h.done(op)
	return Said(out)
}

// Said is the result of a command that printed out; one that begins with
// "error:" failed.
func Said(out string) guest.Result {
	if strings.HasPrefix(out, "error:") {
		return guest.Result{Exit: 1, Stderr: out + "\n"}
	}
	return guest.Result{Stdout: out + "\n"}
}

// Refuses is an Answer that refuses one operation.
func Refuses(refused Op, said string) func(op Op, arg string) *guest.Result {
	return func(op Op, _ string) *guest.Result {
		if op != refused {
			return nil
		}
		r := Said("error: " + said)
		return &r
	}
}

func (h *Host) upgrade(args []string, stages bool) guest.Result {
	for _, a := range args {
		if commit, ok := strings.CutPrefix(a, "--override-commit="); ok {
			return h.deploy([]string{commit}, stages)
		}
		switch a {
		case "--check", "--preview", "--check-diff":
			return h.work(Check, "", func() string {
				return "AvailableUpdate:\n        Version: " + h.Trees.Newer.Version + " (2026-01-01T00:00:00Z)\n         Commit: " + h.Trees.Newer.Commit
			})
		case "--download-only", "--pull-only":
			return h.work(Download, "", func() string { return "downloaded" })
		}
	}
	return h.work(Upgrade, "", func() string {
		switch {
		case strings.Contains(h.URL, "/cut/"):
			return "error: While fetching: Connection reset by peer"
		case h.Verify:
			return "error: GPG verification enabled, but no signatures found"
		}
		if h.Ref == h.Trees.Kernel.Ref {
			return h.stage(h.Trees.Kernel, stages)
		}
		return h.stage(h.Trees.Newer, stages)
	})
}

func (h *Host) deploy(args []string, stages bool) guest.Result {
	revision := args[len(args)-1]
	transport := ""
	for _, a := range args {
		if t, ok := strings.CutPrefix(a, "--transport="); ok {
			transport = t
		}
	}
	return h.work(Deploy, revision, func() string {
		for _, t := range append([]check.Tree{h.Trees.Booted, h.Trees.Newer, h.Trees.Kernel}, h.Trees.Older...) {
			if t.Commit == revision || t.Version == revision || h.Trees.OfImage(revision).Digest == "sha256:"+t.Commit || transport == "oci" && t == h.Trees.Newer {
				out := h.stage(t, stages)
				if i := h.Deployments[0].Image; i != nil {
					i.Name, i.Transport = revision, cmp.Or(transport, i.Transport)
				}
				return out
			}
		}
		return "error: Version " + revision + " not found"
	})
}

// rebase follows another branch, which has the newest tree.
func (h *Host) rebase(args []string, stages bool) guest.Result {
	target := args[len(args)-1]
	return h.work(Rebase, target, func() string {
		out := h.stage(h.Trees.Newer, stages)
		h.Deployments[0].Origin = target
		return out
	})
}

// stage makes a tree the next to boot. Without staged it is written at once,
// and of the others only the booted and pinned ones stay, as libostree does
// (ostree_sysroot_simple_write_deployment without flags).
func (h *Host) stage(t check.Tree, staged bool) string {
	h.Deployments = slices.DeleteFunc(h.Deployments, func(d host.Deployment) bool { return d.Staged })
	if h.Deployments[0].Checksum == t.Commit {
		return "No upgrade available."
	}
	d := h.Of(t, h.Booted().Image != nil)
	d.Staged = staged
	if !staged {
		h.Deployments = slices.DeleteFunc(h.Deployments, func(d host.Deployment) bool { return !d.Booted && !d.Pinned })
	}
	h.Deployments = append([]host.Deployment{d}, h.Deployments...)
	return "Staging deployment... done"
}

func (h *Host) rollback() string {
	h.Deployments = slices.DeleteFunc(h.Deployments, func(d host.Deployment) bool { return d.Staged })
	i := slices.IndexFunc(h.Deployments, func(d host.Deployment) bool { return d.Booted })
	next := i + 1
	if next == len(h.Deployments) {
		if i == 0 {
			return "error: No rollback deployment found"
		}
		next = i
	}
	d := h.Deployments[next]
	h.Deployments = append([]host.Deployment{d}, slices.Delete(h.Deployments, next, next+1)...)
	return "Moving it to be first deployment"
}

func (h *Host) cleanup(args []string) guest.Result {
	all := strings.Join(args, "")
	return h.work(Cleanup, all, func() string {
		i := slices.IndexFunc(h.Deployments, func(d host.Deployment) bool { return d.Booted })
		if strings.Contains(all, "r") {
			h.Deployments = h.Deployments[:i+1]
		}
		if strings.Contains(all, "p") {
			h.Deployments = h.Deployments[i:]
		}
		return "Deployments unchanged."
	})
}

func (h *Host) undeploy(args []string) guest.Result {
	return h.work(Undeploy, args[0], func() string {
		i := h.index(args[0])
		h.Deployments = slices.Delete(h.Deployments, i, i+1)
		return "Deleted deployment"
	})
}

func (h *Host) pin(args []string) guest.Result {
	return h.work(Pin, args[len(args)-1], func() string {
		h.Deployments[h.index(args[len(args)-1])].Pinned = args[0] != "--unpin"
		return "Deployment is now pinned"
	})
}

func (h *Host) index(s string) int {
	i, err := strconv.Atoi(s)
	if err != nil {
		h.t.Fatal(err)
	}
	return i
}

func (h *Host) unlock([]string) guest.Result {
	return h.work(Unlock, "", func() string { h.Booted().Unlocked = "development"; return "unlocked" })
}

func (h *Host) install(args []string) guest.Result {
	return h.work(Install, args[len(args)-1], func() string {
		d := *h.Booted()
		d.Booted, d.Staged = false, true
		d.Checksum = hosttest.Sum('d')
		d.Requested = []string{args[len(args)-1]}
		d.Layered = d.Requested
		h.Deployments = append([]host.Deployment{d}, h.Deployments...)
		return "Staging deployment... done"
	})
}

func (h *Host) uninstall(args []string) guest.Result {
	return h.work(Uninstall, args[len(args)-1], func() string {
		d := *h.Booted()
		d.Booted, d.Staged = false, true
		d.Checksum, d.Requested, d.Layered = d.BaseChecksum, nil, nil
		h.Deployments = append([]host.Deployment{d}, h.Deployments...)
		return "Staging deployment... done"
	})
}

// SoftReboot enters the first deployment without a new boot.
func (h *Host) SoftReboot() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.restart()
}

// restart boots the first deployment. What was staged makes everything but it
// and the one booted before go, pinned ones apart.
func (h *Host) restart() {
	staged := h.Deployments[0].Staged
	var kept []host.Deployment
	for i, d := range h.Deployments {
		if !staged || i == 0 || d.Booted || d.Pinned {
			d.Booted, d.Staged, d.Unlocked = i == 0, false, ""
			kept = append(kept, d)
		}
	}
	h.Deployments = kept
	h.done(Reboot)
}
