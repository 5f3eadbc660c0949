package rollback

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/harness/livedin"
	"assay/reports"
	"assay/suites/check"
	dt "assay/suites/deployments/deploymentstest"
	"assay/suites/suitetest"
)

// notes plans the files made after the upgrade, as they are found at the end.
func notes(found string) dt.Change {
	return func(h *dt.Host, _ *check.Env) {
		h.On("sh", "-c", makeAfterScript, guesttest.Rest)
		h.On("sh", "-c", lookAfterScript, guesttest.Rest).Prints(found)
	}
}

var kept = notes("var=1\n")

func TestByTool(t *testing.T) {
	for id, tools := range map[string][]host.Tool{"rpm-ostree": dt.Fedora, "atomic-host": dt.Fedora, "ostree": dt.Plain, "bootc": dt.Images} {
		suitetest.Run(t, reports.CaseID("rollback/"+id), []suitetest.Case{
			{Name: "healthy", Guest: dt.Lived(t, tools, kept)},
			{Name: "other tool", Want: reports.Skipped, Guest: dt.Lived(t, nil, kept)},
			{Name: "refused", Want: reports.Failed, Says: []string{"error: no way back"}, Guest: dt.Lived(t, tools, kept, dt.Refuse(dt.Rollback, "no way back"))},
			{Name: "says so only", Want: reports.Failed, Says: []string{"still the next to boot"}, Guest: dt.Lived(t, tools, kept, dt.Answers(dt.Rollback, dt.Said("done")))},
			{Name: "nothing to return to", Want: reports.Failed, Says: []string{"no deployment to roll back to"}, Guest: dt.Lived(t, tools, kept, func(h *dt.Host, _ *check.Env) {
				h.Deployments = h.Deployments[:1]
			})},
			{Name: "boots the newer", Want: reports.Failed, Says: []string{"is not the one of before: Checksum:"}, Guest: dt.Lived(t, tools, kept, dt.Then(dt.Reboot, dt.Stays))},
			{Name: "boots a copy", Want: reports.Failed, Says: []string{"Serial: 1, other: 0"}, Guest: dt.Lived(t, tools, kept, dt.Then(dt.Reboot, func(h *dt.Host) { h.Deployments[0].Serial = 1 }))},
			{Name: "drops the newer", Want: reports.Failed, Says: []string{"is not kept"}, Guest: dt.Lived(t, tools, kept, dt.Then(dt.Reboot, func(h *dt.Host) { h.Deployments = h.Deployments[:1] }))},
			{Name: "etc stays", Want: reports.Failed, Says: []string{"/etc/assay-after-upgrade, made after the upgrade, is there"}, Guest: dt.Lived(t, tools, notes("etc=1\nvar=1\n"))},
			{Name: "var lost", Want: reports.Failed, Says: []string{"/var/lib/assay-after-upgrade, made after the upgrade, is gone"}, Guest: dt.Lived(t, tools, notes(""))},
			{Name: "marks lost", Want: reports.Failed, Says: []string{"gone after a rollback: user, own-etc-file"}, Guest: dt.Lived(t, tools, kept, func(h *dt.Host, _ *check.Env) {
				h.Marks = slices.DeleteFunc(h.Marks, func(m livedin.Mark) bool { return m == livedin.User || m == livedin.OwnFile })
			})},
			{Name: "mark never made", Guest: dt.Lived(t, tools, kept, func(h *dt.Host, env *check.Env) { h.Marks, env.Lived = nil, nil })},
		})
	}
}

func TestTwice(t *testing.T) {
	suitetest.Run(t, "rollback/twice", []suitetest.Case{
		{Name: "healthy", Guest: dt.Lived(t, dt.Fedora)},
		{Name: "images", Guest: dt.Lived(t, dt.Images)},
		{Name: "second does nothing", Want: reports.Failed, Says: []string{"changed by two rollbacks by ostree admin"}, Guest: dt.Lived(t, dt.Plain, func(h *dt.Host, _ *check.Env) {
			first := true
			h.After = func(op dt.Op) {
				if op == dt.Rollback && !first {
					slices.Reverse(h.Deployments)
				}
				first = false
			}
		})},
	})
}

// boot plans what ostree's prepare-root is configured to do.
func boot(conf string) dt.Change {
	return func(h *dt.Host, _ *check.Env) {
		h.On("sh", "-c", guesttest.Containing("prepare-root.conf")).Prints(conf)
	}
}

func TestOfARollback(t *testing.T) {
	back := notes("etc=1\nvar=1\n")
	suitetest.Run(t, "rollback/of-a-rollback", []suitetest.Case{
		{Name: "healthy", Guest: dt.Lived(t, dt.Fedora, back)},
		{Name: "etc lost", Want: reports.Failed, Says: []string{"made in the newer deployment, is gone"}, Guest: dt.Lived(t, dt.Plain, kept, boot(""))},
		{Name: "etc thrown away", Guest: dt.Lived(t, dt.Plain, kept, boot("conf [etc]\nconf transient=true\n"))},
		{Name: "does not return", Want: reports.Failed, Says: []string{"is not the one of before"}, Guest: dt.Lived(t, dt.Plain, back, dt.Then(dt.Reboot, dt.Stays))},
	})
}

func TestWithStaged(t *testing.T) {
	const stagedFirst = "Staged deployment (remove with cleanup -p)"
	suitetest.Run(t, "rollback/with-staged", []suitetest.Case{
		{Name: "healthy", Guest: dt.Lived(t, dt.Fedora)},
		{Name: "images", Guest: dt.Lived(t, dt.Images)},
		{Name: "to the booted one", Guest: dt.Lived(t, dt.Fedora, dt.Then(dt.Rollback, func(h *dt.Host) { slices.Reverse(h.Deployments) }))},
		{Name: "no older", Want: reports.Skipped, Guest: dt.Lived(t, dt.Fedora, func(h *dt.Host, _ *check.Env) { h.Trees.Older = nil })},
		{Name: "refused until a cleanup", Guest: dt.Lived(t, dt.Fedora, func(h *dt.Host, _ *check.Env) {
			h.Answer = func(op dt.Op, _ string) *guest.Result {
				if op != dt.Rollback || !slices.ContainsFunc(h.Deployments, func(d host.Deployment) bool { return d.Staged }) {
					return nil
				}
				r := dt.Said("error: " + stagedFirst)
				return &r
			}
		})},
		{Name: "refused after the cleanup, too", Want: reports.Failed, Says: []string{stagedFirst}, Guest: dt.Lived(t, dt.Fedora, dt.Refuse(dt.Rollback, stagedFirst))},
		{Name: "stays staged", Want: reports.Failed, Says: []string{"with 1.1 (aaaaaaaaaaaa) staged, 1.1 (aaaaaaaaaaaa) boots next"}, Guest: dt.Lived(t, dt.Fedora, dt.Answers(dt.Rollback, dt.Said("done")))},
		{Name: "boots it all the same", Want: reports.Failed, Says: []string{"another deployment booted than was announced"}, Guest: dt.Lived(t, dt.Fedora, dt.Then(dt.Reboot, func(h *dt.Host) {
			h.Deployments[0].Checksum = hosttest.Sum('a')
		}))},
	})
}

func TestWithoutAnother(t *testing.T) {
	suitetest.Run(t, "rollback/without-another", []suitetest.Case{
		{Name: "refused", Guest: dt.Fresh(t, dt.Fedora)},
		{Name: "two deployments", Want: reports.Skipped, Guest: dt.Lived(t, dt.Fedora)},
		{Name: "plain", Want: reports.Skipped, Says: []string{"no rollback of its own"}, Guest: dt.Fresh(t, dt.Plain)},
		{Name: "accepted", Want: reports.Failed, Says: []string{"accepts to roll back"}, Guest: dt.Fresh(t, dt.Fedora, dt.Answers(dt.Rollback, dt.Said("done")))},
		{Name: "not plain", Want: reports.Failed, Says: []string{"does not say that this is why: error: assertion failed"}, Guest: dt.Fresh(t, dt.Fedora, dt.Refuse(dt.Rollback, "assertion failed"))},
	})
}

func TestUnhealthy(t *testing.T) {
	promise := func(who string) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", promiseScript, "sh").Prints(who + "\n") // and how many tries
			h.On("sh", "-c", deployedScript, "sh").Prints("yes\n")
			h.On("sh", "-c", triedScript, guesttest.Rest).Prints("from=0\nboot=1\nroot=ostree=/ostree/boot.0/os/a/1\n")
			h.On("mkdir", "-p", greenbootFolder)
			h.On("systemctl", "enable", countingUnit)
			h.On("systemctl", "--no-block", "reboot").Fails(&guest.TransportError{Op: "run", Err: errors.New("connection lost")})
			for _, f := range []string{greenbootCheck, countingCheck, "/etc/systemd/system/" + countingUnit} {
				h.TakesFile(f)
			}
		}
	}
	// the first boot is into the update, the third is back.
	falls := func(at int) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			n := 0
			h.After = func(op dt.Op) {
				if op == dt.Reboot {
					if n++; n == at {
						dt.Stays(h)
					}
				}
			}
		}
	}
	traces := func(out string) dt.Change {
		return func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", triedScript, guesttest.Rest).Prints(out) }
	}
	waited := func(boots ...string) error {
		return &guest.TransportError{Op: "reconnect", Err: &guest.NotReadyError{Guest: "fake", Boots: boots}}
	}
	// Each wait sees so many boots, none of which comes to its end: after the first
	// wait, the first is that in which the wait before ended.
	loops := func(seen int) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			n := 1
			h.OnReboot(func() error {
				var ids []string
				for range seen {
					ids = append(ids, strconv.Itoa(n))
					n++
				}
				if seen > 1 {
					n--
				}
				return waited(ids...)
			})
		}
	}
	// steps are how the waits for a reboot end, one after the other: in a deployment
	// (nil for the update, back for the tree of before) or not.
	back := errors.New("back")
	steps := func(steps ...error) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			h.OnReboot(func() error {
				err := steps[0]
				steps = append(steps[1:], waited()) // the last for ever
				if err != nil && !errors.Is(err, back) {
					return err
				}
				if h.Deployments[0].Checksum == h.Trees.Newer.Commit == errors.Is(err, back) {
					slices.Reverse(h.Deployments)
				}
				for i := range h.Deployments {
					h.Deployments[i].Booted, h.Deployments[i].Staged = i == 0, false
				}
				return nil
			})
		}
	}
	// From that boot on, so many questions for the status are answered like this.
	answers := func(boot, times int, r guest.Result, err error) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			h.On("rpm-ostree", "status", "--json").Does(func(guesttest.Call) (guest.Result, error) {
				if strings.HasSuffix(h.BootID(), strconv.Itoa(boot)) && times > 0 {
					times--
					return r, err
				}
				return guest.Result{Stdout: hosttest.Output(t, host.RPMOSTree, h.Deployments)}, nil
			})
		}
	}
	noDaemon := guest.Result{Exit: 1, Stderr: "Failed to start rpm-ostreed.service: Transaction for rpm-ostreed.service/start is destructive\nerror: Loading sysroot: exit status: 1\n"}
	stays := &guest.TransportError{Op: "await a reboot", Err: guest.ErrRebootNotSeen}
	// The first waits end with no boot that comes to its end.
	unseen := func(waits int) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			h.OnReboot(func() error {
				if waits--; waits >= 0 {
					return &guest.TransportError{Op: "reconnect", Err: &guest.NotReadyError{Guest: "fake"}}
				}
				return nil // back in the old tree
			})
		}
	}
	for _, who := range []string{"greenboot 3", "counting 3"} {
		suitetest.Run(t, "rollback/unhealthy", []suitetest.Case{
			{Name: who, Guest: dt.Fresh(t, dt.Fedora, promise(who), falls(3))},
			{Name: "never", Want: reports.Failed, Says: []string{"rebooted 9 times by itself"}, Guest: dt.Fresh(t, dt.Fedora, promise(who))},
			{Name: "not tried", Want: reports.Failed, Says: []string{"never tried"}, Guest: dt.Fresh(t, dt.Fedora, promise(who), falls(1))},
			{Name: "bad boots end unseen", Guest: dt.Fresh(t, dt.Fedora, promise(who), falls(1), traces("recorded=id\nrecorded=id\n"))},
			{Name: "seen in the journal", Guest: dt.Fresh(t, dt.Fedora, promise(who), unseen(1), traces("from=0\nboot=1\nbad=assay finds\nboot=2\n"))},
			{Name: "other trees in the journal", Guest: dt.Fresh(t, dt.Fedora, promise(who), unseen(2), traces("from=0\nboot=1\nroot=ostree=/a/0\nboot=2\nroot=ostree=/a/1\n"))},
			{Name: "no traces", Want: reports.Errored, Fault: reports.FaultInfra, Says: []string{"cannot tell whether"}, Guest: dt.Fresh(t, dt.Fedora, promise(who), falls(1), traces("boot=1\n"))},
			{Name: "never comes back", Want: reports.Errored, Fault: reports.FaultInfra, Guest: dt.Fresh(t, dt.Fedora, promise(who), unseen(100))},
			{Name: "boots for ever, unseen at their end", Want: reports.Failed, Says: []string{"rebooted 13 times by itself", "fall back to 1 (bbbbbbbbbbbb)"}, Guest: dt.Fresh(t, dt.Plain, promise(who), loops(5))},
			{Name: "boots for ever, one to a wait", Want: reports.Failed, Says: []string{"rebooted 9 times by itself"}, Guest: dt.Fresh(t, dt.Plain, promise(who), loops(1))},
			{Name: "one boot that does not end", Want: reports.Errored, Fault: reports.FaultInfra, Guest: dt.Fresh(t, dt.Plain, promise(who), steps(waited("1"), waited("1"), waited("1"), waited("1"), back))},
			{Name: "always going down when asked", Want: reports.Failed, Says: []string{"rebooted 9 times by itself"}, Guest: dt.Fresh(t, dt.Plain, promise(who), func(h *dt.Host, _ *check.Env) {
				asked := 0
				h.On("sh", "-c", guesttest.Containing("ostree admin status")).Does(func(guesttest.Call) (guest.Result, error) {
					if asked++; asked > 4 {
						return guest.Result{}, &guest.TransportError{Op: "run", Err: errors.New("connection lost")}
					}
					return guest.Result{Stdout: hosttest.Output(t, host.OSTree, h.Deployments)}, nil
				})
			})},
			{Name: "does not go down", Want: reports.Failed, Says: []string{"does not go down"}, Guest: dt.Fresh(t, dt.Fedora, promise(who), func(h *dt.Host, _ *check.Env) {
				h.OnReboot(func() error { return &guest.TransportError{Op: "await a reboot", Err: guest.ErrRebootNotSeen} })
			})},
			{Name: "stays", Want: reports.Failed, Says: []string{"stays in an update", "fall back to 1 (bbbbbbbbbbbb)"}, Guest: dt.Fresh(t, dt.Fedora, promise(who), dt.Then(dt.Reboot, func(h *dt.Host) {
				h.OnReboot(func() error { return &guest.TransportError{Op: "await a reboot", Err: guest.ErrRebootNotSeen} })
			}))},
			{Name: "going down when asked", Guest: dt.Fresh(t, dt.Plain, promise(who), falls(3), func(h *dt.Host, _ *check.Env) {
				asked := 0
				h.On("sh", "-c", guesttest.Containing("ostree admin status")).Does(func(guesttest.Call) (guest.Result, error) {
					if asked++; asked == 5 {
						return guest.Result{}, &guest.TransportError{Op: "run", Err: errors.New("connection lost")}
					}
					return guest.Result{Stdout: hosttest.Output(t, host.OSTree, h.Deployments)}, nil
				})
			})},
		})
	}
	suitetest.Run(t, "rollback/unhealthy", []suitetest.Case{
		{Name: "boots seen by two waits", Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 5"), traces("recorded=id\n"), steps(waited("1", "2", "3"), waited("3", "4", "5"), waited("5", "6", "7"), back))},
		{Name: "many boots, and the last is asked", Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 3"), traces("recorded=id\n"), steps(waited("1", "2", "3", "4"), waited("5", "6", "7", "8"), back))},
		{Name: "slow to go down and come up", Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 3"), steps(nil, waited(), nil, waited(), nil, waited(), nil, waited(), back))},
		{Name: "slower still", Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 3"), steps(nil, waited(), waited(), waited(), back))},
		{Name: "seldom seen", Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 3"), steps(waited(), waited(), nil, waited(), waited(), waited("1"), waited(), waited(), back))},
		{Name: "many tries", Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 10"), falls(12))},
		{Name: "counts many tries", Guest: dt.Fresh(t, dt.Fedora, promise("counting 8"), falls(9))},
		{Name: "too many tries", Want: reports.Skipped, Says: []string{"after 11 tries, and there is time for 10"}, Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 11"))},
		{Name: "no number", Want: reports.Skipped, Says: []string{"after 99999999999999999999 tries"}, Guest: dt.Fresh(t, dt.Fedora, promise("counting 99999999999999999999"))},
		{Name: "refuses as it goes down", Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 3"), steps(nil, nil, back), answers(2, 1, noDaemon, nil))},
		{Name: "kills what it is asked with", Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 3"), steps(nil, nil, back), answers(3, 1, guest.Result{}, &guest.CommandError{Args: []string{"sh"}, Result: guest.Result{Exit: -1, Signal: "TERM"}}))},
		{Name: "does not answer as it goes down", Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 3"), steps(nil, nil, back), answers(3, 1, guest.Result{}, &guest.TimeoutError{Op: "rpm-ostree status"}))},
		{Name: "refused and back", Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 3"), steps(nil, back, stays), answers(3, 1, noDaemon, nil))},
		{Name: "refuses and stays", Want: reports.Failed, Says: []string{"Loading sysroot"}, Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 3"), steps(nil, stays), answers(2, 9, noDaemon, nil))},
		{Name: "refused in an update that stays", Want: reports.Failed, Says: []string{"stays in an update"}, Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 3"), steps(nil, stays), answers(2, 1, noDaemon, nil))},
		{Name: "no promise", Want: reports.Skipped, Says: []string{"neither greenboot nor counted boots"}, Guest: dt.Fresh(t, dt.Fedora, promise(""))},
		{Name: "composefs", Want: reports.Skipped, Says: []string{"not booted from an ostree deployment"}, Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 3"), func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", deployedScript, "sh")
		})},
		{Name: "other checksum", Want: reports.Skipped, Says: []string{"not booted from an ostree deployment"}, Guest: dt.Fresh(t, []host.Tool{host.Bootc}, promise("greenboot 3"), func(h *dt.Host, _ *check.Env) {
			h.On("bootc", "status", "--json").Prints(`{"apiVersion":"org.containers.bootc/v1","kind":"BootcHost","status":{"booted":{"image":{"image":{"image":"example.org/os:stable","transport":"registry"},"imageDigest":"sha256:` + hosttest.Sum('a') + `"},"composefs":{"verity":"` + hosttest.Sum('a') + hosttest.Sum('a') + `"}}}}`)
		})},
		{Name: "no trees", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, promise("greenboot 3"), dt.NoTrees)},
	})
}

func TestScriptsParse(t *testing.T) {
	for _, s := range []string{makeAfterScript, lookAfterScript, promiseScript, healthScript, deployedScript, triedScript} {
		if out, err := exec.Command("sh", "-n", "-c", s).CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, s)
		}
	}
}

// TestPromiseScript asks hosts with a greenboot, with boot counting, and with none.
func TestPromiseScript(t *testing.T) {
	for name, c := range map[string]struct {
		greenboot bool
		conf      string
		counting  string   // ostree's option
		entries   []string // of the boot loader
		want      string
	}{
		"nothing":             {entries: []string{"ostree-1.conf", "linux-6.1+12-amd64.conf"}},
		"greenboot":           {greenboot: true, counting: "8", want: "greenboot 3"},
		"its file":            {greenboot: true, conf: "# GREENBOOT_MAX_BOOT_ATTEMPTS=9\nGREENBOOT_MAX_BOOT_ATTEMPTS=4\n GREENBOOT_MAX_BOOT_ATTEMPTS = \"7\" # tries\n", want: "greenboot 7"},
		"its file, no number": {greenboot: true, conf: "GREENBOOT_MAX_BOOT_ATTEMPTS=-1\n", want: "greenboot 3"},
		"greenboot off":       {conf: "GREENBOOT_MAX_BOOT_ATTEMPTS=4\n"},
		"ostree counts":       {counting: "8", want: "counting 8"},
		"ostree does not":     {counting: "0"},
		"entries":             {counting: "2", entries: []string{"ostree-1+3.conf", "ostree-2+08-2.conf"}, want: "counting 10"},
		"a bad entry":         {entries: []string{"ostree-1+0-3.conf"}, want: "counting 3"},
	} {
		dir := t.TempDir()
		files := map[string]string{"bin/systemctl": fmt.Sprintf("#!/bin/sh\n[ %t = true ]\n", c.greenboot), "bin/ostree": "#!/bin/sh\n[ -n \"" + c.counting + "\" ] && echo " + c.counting + "\n",
			"greenboot.conf": c.conf}
		for _, e := range c.entries {
			files["entries/"+e] = ""
		}
		for path, text := range files {
			path = filepath.Join(dir, path)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("sh", "-c", strings.NewReplacer("/etc/greenboot", dir, "/boot/loader", dir).Replace(promiseScript))
		cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != c.want {
			t.Errorf("%s: %q, %v, want %q", name, out, err, c.want)
		}
	}
}

// TestHealthScript runs the health check in the tree of before and in another.
func TestHealthScript(t *testing.T) {
	dir := t.TempDir()
	was, update := hosttest.Sum('a'), hosttest.Sum('b')
	for path, text := range map[string]string{"boot_id": "an-id\n", "cmdline.old": "root=x ostree=/ostree/boot.0/os/k/0\n", "cmdline.new": "ostree=/ostree/boot.0/os/k/1 rw\n", "cmdline.no": "root=x\n"} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for n, tree := range []string{was, update} {
		link := filepath.Join(dir, "ostree/boot.0/os/k", strconv.Itoa(n))
		if err := errors.Join(os.MkdirAll(filepath.Dir(link), 0o755), os.MkdirAll(filepath.Join(dir, tree+".0"), 0o755), os.Symlink(filepath.Join(dir, tree+".0"), link)); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "tried")
	run := func(cmdline string) (bool, string) {
		script := strings.NewReplacer("/proc/cmdline", filepath.Join(dir, cmdline), "/proc/sys/kernel/random/boot_id", filepath.Join(dir, "boot_id"),
			triedFile, file, `"/sysroot`, `"`+dir, "\nsync\n", "\n").Replace(fmt.Sprintf(healthScript, was, 1))
		out, err := exec.Command("bash", "-C", "-c", script).CombinedOutput() // as greenboot-rs has it
		return err == nil, string(out)
	}
	for _, cmdline := range []string{"cmdline.old", "cmdline.no"} {
		if ok, said := run(cmdline); !ok || said != "" {
			t.Errorf("%s: %t, %q", cmdline, ok, said)
		}
	}
	for range 2 {
		if ok, said := run("cmdline.new"); ok || said != triedWords+" "+update+".0\n" {
			t.Errorf("an update: %t, %q", ok, said)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "an-id\nan-id\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestTriedScript runs the script with a journal of three boots.
func TestTriedScript(t *testing.T) {
	dir := t.TempDir()
	ids := []string{strings.Repeat("a", 32), strings.Repeat("b", 32), strings.Repeat("c", 32), strings.Repeat("d", 32)}
	journal := `#!/bin/sh
case "$*" in
*--list-boots*)
	echo "IDX BOOT ID FIRST ENTRY"
	echo " -3 ` + ids[0] + ` Sat 2026-11-21"; echo "-2 ` + ids[1] + ` Sat"; echo "-1 ` + ids[2] + ` Sat"; echo " 0 ` + ids[3] + ` Sat" ;;
*"-b ` + ids[3] + ` _TRANSPORT=kernel") echo "Kernel command line: root=UUID=x ostree=/ostree/boot.1/os/k/0 ro" ;;
*"-b ` + ids[2] + ` _TRANSPORT=kernel") echo "Command line: ostree=/ostree/boot.0/os/k/0"; echo "Kernel command line: ostree=/no" ;;
*"-b ` + ids[2] + ` -u greenboot-healthcheck.service -u assay-health.service") echo "` + triedWords + ` x.0" ;;
*"-b ` + ids[3] + `") echo "core : COMMAND=/bin/sh -c ... ` + triedWords + `" ;; # sudo's, of the question
esac
`
	if err := os.WriteFile(filepath.Join(dir, "journalctl"), []byte(journal), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "tried")
	run := func(from string) evidence {
		c := exec.Command("sh", "-c", triedScript, "sh", from, file, triedWords)
		c.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		return readEvidence(string(out))
	}
	if e := run(ids[1]); e.bad != 1 || !e.known || e.boots != 2 || !slices.Equal(e.roots, []string{"ostree=/ostree/boot.0/os/k/0", "ostree=/ostree/boot.1/os/k/0"}) {
		t.Errorf("%+v", e)
	}
	if e := run(strings.Repeat("e", 32)); e.known || e.bad+e.boots != 0 {
		t.Errorf("a boot that the journal does not know: %+v", e)
	}
	if err := os.WriteFile(file, []byte("id\nid\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if e := run(ids[3]); e.bad != 2 || !e.known || e.boots != 0 {
		t.Errorf("the file of the health check: %+v", e)
	}
}
