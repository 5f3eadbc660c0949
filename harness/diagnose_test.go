package harness

import (
	"errors"
	"strings"
	"testing"
	"time"

	"assay/harness/accel"
	"assay/harness/console"
	"assay/harness/guest"
	"assay/harness/machine"
	"assay/reports"
)

func notReady(st guest.Stage, last string) error {
	return &guest.NotReadyError{Guest: "boot-1", Stage: st, Last: errors.New(last)}
}

func found(kinds ...console.Kind) (out []console.Finding) {
	for _, k := range kinds {
		fatal := k == console.KernelPanic || k == console.LoaderPrompt || k == console.RootNotFound || k == console.EmergencyShell || k == console.NoBootDevice
		out = append(out, console.Finding{Kind: k, Fatal: fatal, Line: "line of " + string(k)})
	}
	return out
}

func TestDiagnose(t *testing.T) {
	for _, c := range []struct {
		name  string
		e     ending
		kind  accel.Kind
		check reports.CaseID
		fault reports.Fault
		says  string
	}{
		{"panic", ending{findings: found(console.KernelStarted, console.KernelPanic), bytes: 9}, accel.TCG,
			bootKernel, reports.FaultImage, "kernel-panic"},
		{"emulated oops", ending{findings: found(console.EmulatorFault, console.KernelPanic), bytes: 9}, accel.TCG,
			bootKernel, reports.FaultInfra, "emulator"},
		{"the same on KVM", ending{findings: found(console.EmulatorFault), bytes: 9}, accel.KVM,
			bootKernel, reports.FaultImage, ""},
		{"no root", ending{findings: found(console.RootNotFound), bytes: 9}, accel.TCG, bootInitramfs, reports.FaultImage, ""},
		{"emergency in the initramfs", ending{findings: found(console.EmergencyShell), inInitramfs: true, bytes: 9}, accel.TCG, bootInitramfs, reports.FaultImage, ""},
		{"emergency", ending{findings: found(console.EmergencyShell), bytes: 9}, accel.TCG, bootEmergency, reports.FaultImage, ""},
		{"grub prompt", ending{findings: found(console.LoaderPrompt), bytes: 9}, accel.TCG, bootLoader, reports.FaultImage, ""},
		{"nothing to boot", ending{findings: found(console.NoBootDevice), bytes: 9}, accel.TCG, bootLoader, reports.FaultImage, ""},
		{"emulator died", ending{end: &machine.End{Kind: machine.EndFailed, Detail: "signal 9"}, bytes: 9}, accel.TCG,
			bootLoader, reports.FaultInfra, "signal 9"},
		{"ended by the host", ending{end: &machine.End{Kind: machine.EndShutdown}, bytes: 9}, accel.TCG, bootComplete, reports.FaultInfra, "not by a guest"},
		{"paused for a full disk", ending{end: &machine.End{Kind: machine.EndFailed, Detail: machine.ErrPaused.Error()}, bytes: 9}, accel.TCG, bootLoader, reports.FaultInfra, "disk full"},
		{"loader's menu", ending{loader: loaderWaits, bytes: 9, waited: time.Minute}, accel.TCG, bootLoader, reports.FaultImage, "shows its menu"},
		{"silent kernel", ending{loader: loaderDone, bytes: 9, waited: time.Minute}, accel.TCG, bootComplete, reports.FaultInfra, "said no word on the serial console"},
		{"waits for a device", ending{findings: found(console.KernelStarted), bytes: 9, idle: true, waiting: "A start job is running for /dev/disk/by-uuid/dead (2min / no limit)"}, accel.KVM,
			bootComplete, reports.FaultImage, "the last that it waited for: A start job is running for /dev/disk/by-uuid/dead"},
		{"a unit that never ends", ending{bytes: 9, idle: true, err: &guest.NotReadyError{Stage: guest.StageBoot, Detail: "still starting: forever.service"}}, accel.KVM,
			bootComplete, reports.FaultImage, "(still starting: forever.service)"},
		{"waits for the time", ending{bytes: 9, idle: true, err: &guest.NotReadyError{Stage: guest.StageBoot, Detail: "still starting: systemd-time-wait-sync.service"}}, accel.KVM,
			bootComplete, reports.FaultInfra, "still starting: systemd-time-wait-sync.service"},
		{"waits for the time and itself", ending{bytes: 9, idle: true, err: &guest.NotReadyError{Stage: guest.StageBoot, Detail: "still starting: chrony-wait.service, own.service"}}, accel.KVM,
			bootComplete, reports.FaultImage, "own.service"},
		{"an old processor", ending{findings: found(console.CPUTooOld, console.KernelPanic), bytes: 9}, accel.KVM, bootKernel, reports.FaultInfra, "older than the image is made for"},
		{"powered off", ending{findings: found(console.Shutdown), end: &machine.End{Kind: machine.EndShutdown}, bytes: 9}, accel.TCG, bootComplete, reports.FaultImage, "powered itself off"},
		{"sshd off", ending{findings: found(console.KernelStarted, console.LoginPrompt), err: notReady(guest.StageNoAnswer, "refused"), idle: true, bytes: 9},
			accel.TCG, bootSSH, reports.FaultImage, "nothing answers on port 22"},
		{"sshd slow on a starved host", ending{findings: found(console.KernelStarted, console.LoginPrompt), err: notReady(guest.StageNoAnswer, "refused"), bytes: 9},
			accel.TCG, bootSSH, reports.FaultInfra, ""},
		{"seed ignored, other host key", ending{err: notReady(guest.StageHostKey, "SHA256:xyz"), idle: true, bytes: 9}, accel.TCG,
			bootSeed, reports.FaultImage, "SHA256:xyz"},
		{"seed ignored, no user", ending{err: notReady(guest.StageLogin, "no supported methods"), idle: true, bytes: 9}, accel.TCG,
			bootSeed, reports.FaultImage, "seed was not applied"},
		{"boot hangs at the end", ending{err: notReady(guest.StageBoot, "starting"), idle: true, waited: time.Minute, bytes: 9}, accel.TCG,
			bootComplete, reports.FaultImage, "had not finished after 1m0s"},
		{"not one byte", ending{err: notReady(guest.StageNoAnswer, "x"), idle: true}, accel.TCG, bootLoader, reports.FaultInfra, "not one byte"},
		{"firmware only", ending{err: notReady(guest.StageNoAnswer, "x"), idle: true, bytes: 9}, accel.TCG, bootLoader, reports.FaultImage, "firmware ran"},
		{"hangs in the kernel", ending{findings: found(console.KernelStarted), err: notReady(guest.StageNoAnswer, "x"), idle: true, bytes: 9}, accel.TCG,
			bootComplete, reports.FaultImage, "the kernel started"},
		{"nothing known at all", ending{err: errors.New("boom"), bytes: 9}, accel.TCG, bootLoader, reports.FaultInfra, ""},
	} {
		d := diagnose(c.e, c.kind)
		if d.Check != c.check || d.Fault != c.fault || !strings.Contains(d.Message, c.says) {
			t.Errorf("%s: %s, %s, %q; want %s, %s and %q", c.name, d.Check, d.Fault, d.Message, c.check, c.fault, c.says)
		}
	}
}

// TestOldCloudInit: a seed of today is too new for it, which is no fault of the image.
func TestOldCloudInit(t *testing.T) {
	for version, want := range map[string]struct {
		fault   reports.Fault
		says    string
		without bool // it is given a seed without a network configuration
	}{
		"0.7.5":             {reports.FaultInfra, "knows no ed25519 host keys", true},
		"0.7.9":             {reports.FaultImage, "seed was not applied", true},
		"17.1":              {reports.FaultImage, "seed was not applied", false},
		"24.4-0ubuntu1~x+1": {reports.FaultImage, "seed was not applied", false},
		"":                  {reports.FaultImage, "seed was not applied", false},
	} {
		lines := []string{"[   20.1] something else v. 1"}
		if version != "" {
			lines = append(lines, "[   21.4] cloud-init[612]: Cloud-init v. "+version+" running 'init-local' at Mon, 05 Jan 2026 03:04:05 +0000. Up 21.3 seconds.")
		}
		e := ending{bytes: 100, refused: true, waited: 5 * time.Minute, err: &guest.NotReadyError{Stage: guest.StageHostKey, Last: errors.New("SHA256:x")},
			cloudInitVersion: cloudInitVersion(lines)}
		if e.cloudInitVersion != version {
			t.Errorf("version %q, want %q", e.cloudInitVersion, version)
		}
		if d := diagnose(e, accel.KVM); d.Check != bootSeed || d.Fault != want.fault || !strings.Contains(d.Message, want.says) {
			t.Errorf("%s: %+v", version, d)
		}
		if got := withoutNetworkConfig.MatchString(version); got != want.without {
			t.Errorf("%s: too old for a network configuration is %t", version, got)
		}
	}
}

func TestIgnitedImageIsToldApart(t *testing.T) {
	e := ending{bytes: 100, refused: true, waited: 5 * time.Minute, err: &guest.NotReadyError{Stage: guest.StageLogin, Last: errors.New("refused")}}
	if d := diagnose(e, accel.KVM); strings.Contains(d.Message, "Ignition") {
		t.Errorf("nobody spoke of Ignition: %s", d.Message)
	}
	e.ignited = ignited([]string{"[    4.1] ignition[612]: Ignition 2.19.0"})
	if d := diagnose(e, accel.KVM); d.Check != bootSeed || d.Fault != reports.FaultInfra || !strings.Contains(d.Message, "Ignition configures this image") {
		t.Errorf("%+v", d)
	}
	e.cloudInit = true // it has both, and ours did not heed its seed
	if d := diagnose(e, accel.KVM); d.Check != bootSeed || d.Fault != reports.FaultImage {
		t.Errorf("%+v", d)
	}
	for line, want := range map[string]bool{
		"[  OK  ] Finished ignition-files.service - Ignition (files).":      true,
		"Ignition: no config provided by user":                              true,
		"No SSH authorized keys provided by Ignition or Afterburn":          true,
		"kernel: vda: no ignition key":                                      false,
		"[  OK  ] Finished cloud-init.service - Cloud-init: Network Stage.": false,
	} {
		if got := ignited([]string{"", line}); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}

func TestInInitramfs(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  bool
	}{
		{[]string{"[    1.0] systemd[1]: Running in initrd.", "[  OK  ] Stopped dracut-cmdline.service"}, true},
		{[]string{"Starting dracut-cmdline.service", "[  OK  ] Reached target initrd-switch-root.target - Switch Root.", "Emergency"}, false},
		{[]string{"[    1.0] Linux version 6.1", "[  OK  ] Reached target emergency.target"}, false},
		{nil, false},
	} {
		if got := inInitramfs(c.lines); got != c.want {
			t.Errorf("%q: %v, want %v", c.lines, got, c.want)
		}
	}
}

func TestIdleWatch(t *testing.T) {
	t0 := time.Unix(1000, 0)
	w := newIdleWatch(t0)
	at := func(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }
	w.look(at(5), 4*time.Second, machine.HeldBack{}, 100) // busy
	w.look(at(10), 4*time.Second+100*time.Millisecond, machine.HeldBack{}, 100)
	if w.long(at(10), 10*time.Second) {
		t.Error("a guest that was busy five seconds ago counts as idle for ten")
	}
	if !w.long(at(60), 50*time.Second) || w.stuck(at(60)) {
		t.Error("55 idle seconds are long, but not stuck while the boot may go on")
	}
	w.up = true
	if !w.stuck(at(60)) {
		t.Error("55 idle seconds after the login prompt are stuck")
	}
	w.look(at(61), 4*time.Second+100*time.Millisecond, machine.HeldBack{}, 101)
	if w.stuck(at(62)) {
		t.Error("a byte on the console is a sign of life")
	}
}

// TestIdleWatchInsideJobs: once somebody is let in, units that wait for what the
// closed network lacks may take their time.
func TestIdleWatchInsideJobs(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	w := newIdleWatch(at(0))
	w.up = true
	w.progress(guest.Observation{Stage: guest.StageBoot, At: at(0)})
	w.look(at(5), 0, machine.HeldBack{}, 0)
	if w.stuck(at(200)) {
		t.Error("chrony-wait would have given up by itself")
	}
	if !w.stuck(at(240)) {
		t.Error("a unit that never ends is not found")
	}
}

func TestLoops(t *testing.T) {
	again := func(n int, kinds ...console.Kind) (all []console.Finding) {
		for range n {
			for _, k := range kinds {
				all = append(all, console.Finding{Kind: k})
			}
		}
		return all
	}
	for name, c := range map[string]struct {
		found []console.Finding
		kind  accel.Kind
		fault reports.Fault
		is    bool
	}{
		"relabelled and ignited":   {again(3, console.KernelStarted, console.Shutdown), accel.KVM, "", false},
		"says that it reboots":     {again(4, console.KernelStarted, console.Shutdown), accel.TCG, reports.FaultImage, true},
		"the fourth is under way":  {append(again(3, console.KernelStarted, console.Shutdown), console.Finding{Kind: console.KernelStarted}), accel.TCG, reports.FaultImage, true},
		"without a word":           {again(4, console.KernelStarted), accel.KVM, reports.FaultImage, true},
		"without a word, emulated": {again(4, console.KernelStarted, console.UnexpectedReboot), accel.TCG, reports.FaultInfra, true},
	} {
		d, is := loops(ending{findings: c.found, waited: time.Minute}, c.kind)
		if is != c.is || d.Fault != c.fault || is && (d.Check != bootComplete || !strings.Contains(d.Message, "4 kernels were started in 1m0s")) {
			t.Errorf("%s: %v, %+v", name, is, d)
		}
	}
}

func TestLoaderIn(t *testing.T) {
	const menu, count = "      Use the ^ and v keys to select which entry is highlighted.", "   The highlighted entry will be executed automatically in 5s."
	for _, c := range []struct {
		lines []string
		want  loaderState
	}{
		{[]string{"GRUB loading.", "Welcome to GRUB!"}, loaderUnseen},
		{[]string{menu, "      Press enter to boot the selected OS"}, loaderWaits},
		{[]string{menu, count, count}, loaderUnseen},
		{[]string{menu, count, "  Booting `Fedora Linux 43'"}, loaderDone},
		{[]string{menu, "EFI stub: Loaded initrd from LINUX_EFI_INITRD_MEDIA_GUID device path"}, loaderDone},
	} {
		if got := loaderIn(c.lines); got != c.want {
			t.Errorf("%q: %v, want %v", c.lines, got, c.want)
		}
	}
}

func TestRefusedKeysAreTheImagesFaultHoweverBusyItIs(t *testing.T) {
	e := ending{bytes: 100, waited: 5 * time.Minute, err: &guest.NotReadyError{Stage: guest.StageLogin, Last: errors.New("refused")}}
	if d := diagnose(e, accel.TCG); d.Fault != reports.FaultInfra {
		t.Errorf("in doubt: %+v", d)
	}
	e.refused = true
	if d := diagnose(e, accel.TCG); d.Fault != reports.FaultImage || d.Check != bootSeed {
		t.Errorf("refused for minutes: %+v", d)
	}
	e.err = &guest.NotReadyError{Stage: guest.StageBoot}
	if d := diagnose(e, accel.TCG); d.Fault != reports.FaultInfra {
		t.Errorf("let in since: %+v", d)
	}
}

func TestIdleWatchKnowsARefusal(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	w := newIdleWatch(at(0))
	w.progress(guest.Observation{Stage: guest.StageLogin, At: at(10)})
	look := func(s int, bytes int64) bool {
		w.look(at(s), time.Duration(s)*time.Second, machine.HeldBack{}, bytes) // busy all the time
		return w.refuses(at(s)) && !w.stuck(at(s))
	}
	for _, c := range []struct {
		at    int
		bytes int64
		want  bool
	}{{100, 1, false}, {185, 2, false}, {200, 3, false}, {255, 3, false}, {260, 3, true}} {
		if got := look(c.at, c.bytes); got != c.want {
			t.Errorf("after %d s: %v, want %v", c.at, got, c.want)
		}
	}
	w.progress(guest.Observation{Stage: guest.StageNoLogin, At: at(261)})
	if look(400, 3) {
		t.Error("it lets us in by now")
	}
}

func TestIdleWatchKnowsAStarvedGuest(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	look := func(held func(s int) machine.HeldBack) bool {
		w := newIdleWatch(at(0))
		for s := 5; s <= 200; s += 5 {
			w.look(at(s), time.Second, held(s), 1)
		}
		return w.stuck(at(200))
	}
	if !look(func(int) machine.HeldBack { return machine.HeldBack{Waited: time.Second} }) {
		t.Error("a guest that is idle for minutes is not stuck")
	}
	if look(func(s int) machine.HeldBack { return machine.HeldBack{Waited: time.Duration(s) * time.Second} }) {
		t.Error("a guest that waits for a processor counts as idle")
	}
	if look(func(int) machine.HeldBack { return machine.HeldBack{Stopped: true} }) {
		t.Error("a guest whose QEMU is stopped counts as idle")
	}
}

// What a guest was kept waiting is taken off, and no more: on a busy host a
// refusal is still told from slowness.
func TestIdleWatchTakesOffWhatTheGuestWaited(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	w := newIdleWatch(at(0))
	w.progress(guest.Observation{Stage: guest.StageLogin, At: at(0)})
	refusedAt, stuckAt := 0, 0
	for s := 5; s <= 600; s += 5 {
		w.look(at(s), time.Duration(s)*10*time.Millisecond, machine.HeldBack{Waited: time.Duration(s) * time.Second / 2}, 1)
		if w.refuses(at(s)) && refusedAt == 0 {
			refusedAt = s
		}
		if w.stuck(at(s)) && stuckAt == 0 {
			stuckAt = s
		}
	}
	if refusedAt != 360 || stuckAt < 2*int(stuckAfter.Seconds()) || stuckAt > 2*int(stuckAfter.Seconds())+10 {
		t.Errorf("half the time kept waiting: refused after %d s, stuck after %d s", refusedAt, stuckAt)
	}
	w = newIdleWatch(at(0))
	for s := 5; s <= 600; s += 5 {
		w.look(at(s), time.Duration(s)*time.Second/10, machine.HeldBack{Waited: time.Duration(s) * time.Second * 9 / 10}, 1)
	}
	if w.stuck(at(600)) {
		t.Error("a guest that uses the tenth of a processor that it gets counts as idle")
	}
}
