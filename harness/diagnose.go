package harness

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"assay/harness/accel"
	"assay/harness/console"
	"assay/harness/guest"
	"assay/harness/machine"
	"assay/reports"
	"assay/suites/check"
)

// A boot is judged by one case for each thing that must happen, in this order.
// The case that names a failure is the first that did not happen.
const (
	bootLoader    reports.CaseID = "boot/loader"
	bootKernel    reports.CaseID = "boot/kernel"
	bootInitramfs reports.CaseID = "boot/initramfs"
	bootEmergency reports.CaseID = "boot/emergency"
	bootSSH       reports.CaseID = "boot/ssh"
	bootSeed      reports.CaseID = "cloud-init/ssh-key"
	bootComplete  reports.CaseID = "boot/complete"
	bootRoot      reports.CaseID = "boot/root"
	bootConsole   reports.CaseID = "boot/console"
)

// bootCases are the cases of suite "boot", in the order in which a boot
// passes them.
var bootCases = []struct {
	id    reports.CaseID
	title string
}{
	{bootLoader, "the boot loader starts a kernel"},
	{bootKernel, "the kernel comes up without a panic or an oops"},
	{bootInitramfs, "the initramfs finds and mounts the root file system"},
	{bootEmergency, "the boot does not end in an emergency shell"},
	{bootSSH, "SSH answers on port 22"},
	{bootSeed, "the seed's SSH key lets its user in"},
	{bootComplete, "the boot finishes and lets users in"},
	{bootRoot, "the seed's user can become root with sudo, or root itself be let in"},
	{bootConsole, "the console shows no lack of memory, no ordering cycle and no disk error"},
}

// bootSuite is answered by the parent process: no guest is up to be asked.
var bootSuite = check.Suite{Name: "boot", Criterion: "S0", Title: "the image boots"}

// Checks are all checks of a run: those of the boot, then the suites'.
func Checks() (all []check.Registered) {
	for _, b := range bootCases {
		if b.id != bootSeed { // suite cloud-init has it
			all = append(all, check.Registered{Suite: bootSuite, Check: check.Check{
				Name: strings.TrimPrefix(string(b.id), bootSuite.Name+"/"), Title: b.title, State: check.Booted}})
		}
	}
	return append(all, check.All()...)
}

// consoleFaults are findings that do not stop a boot and are no check's of a
// suite: they fail bootConsole. Hangs are not among them: a starved host
// causes those.
var consoleFaults = []console.Kind{console.OutOfMemory, console.OrderingCycle, console.IOError}

// hostsDoing reports a finding of a boot that came up all the same, and that the
// host may have caused: an emulator that tripped restarts the guest.
func hostsDoing(f console.Finding, kind accel.Kind) bool {
	return f.Kind == console.UnexpectedReboot && kind != accel.KVM
}

func hasKind(findings []console.Finding, k console.Kind) bool {
	return slices.ContainsFunc(findings, func(f console.Finding) bool { return f.Kind == k })
}

func isBootCase(id reports.CaseID) bool {
	for _, b := range bootCases {
		if b.id == id {
			return true
		}
	}
	return false
}

// caseNaming is the boot case that a finding fails, empty for none.
func caseNaming(f console.Finding) reports.CaseID {
	if slices.Contains(consoleFaults, f.Kind) {
		return bootConsole
	}
	for _, b := range bootCases {
		if b.id == f.Kind.Check() {
			return b.id
		}
	}
	return ""
}

// ending is all that is known of a boot that did not come up.
type ending struct {
	// findings of the console, in order.
	findings []console.Finding
	// err is what waiting for SSH ended with.
	err error
	// end is how the machine ended, when it did.
	end *machine.End
	// inInitramfs is true when the console shows an initramfs at work and no
	// switch to the real root.
	inInitramfs bool
	// ignited is true when the console shows Ignition at work, which reads no
	// cloud-init seed.
	ignited bool
	// cloudInit is true when the console shows cloud-init at work, and
	// cloudInitVersion what version it says it is; empty is unknown.
	cloudInit        bool
	cloudInitVersion string
	// bytes seen on the console.
	bytes int64
	// idle is true when the guest's CPUs had been idle for a while: it was
	// waiting for something that will not come, not starved.
	idle bool
	// refused is true when SSH had refused the seed's keys for minutes: the
	// guest itself said so, however slow it is.
	refused bool
	waited  time.Duration
	// waiting is the job that systemd last said it waits for.
	waiting string
	// loader is what the boot loader was last seen at.
	loader loaderState
}

// diagnosis is whose fault a failed boot is.
type diagnosis struct {
	Check   reports.CaseID
	Fault   reports.Fault
	Message string
	// Shown are the findings that prove it.
	Shown []console.Finding
}

// diagnose says why a boot did not come up. In doubt it is not the image's
// fault: only what the guest itself showed, or an idle guest that should have
// answered, is held against the image.
func diagnose(e ending, kind accel.Kind) diagnosis {
	for _, f := range e.findings {
		if f.Kind == console.EmulatorFault && kind != accel.KVM {
			return diagnosis{bootKernel, reports.FaultInfra, "the emulator tripped: " + f.Line, []console.Finding{f}}
		}
	}
	for _, f := range e.findings {
		if f.Kind == console.CPUTooOld {
			return diagnosis{bootKernel, reports.FaultInfra, "this host's processor is older than the image is made for: " + f.Line, []console.Finding{f}}
		}
	}
	for _, f := range e.findings {
		if f.Kind == console.SoftLockup && f.Fatal { // a starved host causes those
			return diagnosis{bootComplete, reports.FaultInfra, fmt.Sprintf("%s: %s", f.Kind.Title(), f.Line), []console.Finding{f}}
		}
		if f.Fatal || f.Kind == console.EmulatorFault {
			id := f.Kind.Check()
			if id == "" { // emulator-fault, but nothing was emulated
				id = bootKernel
			}
			if f.Kind == console.EmergencyShell && e.inInitramfs {
				return diagnosis{bootInitramfs, reports.FaultImage, "the boot ended in an emergency shell of the initramfs, before there was a root file system: " + f.Line, []console.Finding{f}}
			}
			return diagnosis{id, reports.FaultImage, fmt.Sprintf("%s: %s", f.Kind.Title(), f.Line), []console.Finding{f}}
		}
	}
	if e.end != nil {
		switch e.end.Kind {
		case machine.EndShutdown:
			if !hasKind(e.findings, console.Shutdown) {
				// QEMU ends the same way when the host tells it to.
				return diagnosis{Check: bootComplete, Fault: reports.FaultInfra, Message: "the virtual machine was shut down, and not by a guest that said so"}
			}
			return diagnosis{Check: bootComplete, Fault: reports.FaultImage, Message: "the guest powered itself off while it booted"}
		case machine.EndCrashed:
			return diagnosis{Check: bootKernel, Fault: reports.FaultImage, Message: "the guest reported a kernel crash to its crash device"}
		default:
			return diagnosis{Check: bootLoader, Fault: reports.FaultInfra, Message: fmt.Sprintf("the virtual machine ended (%s) %s", e.end.Kind, e.end.Detail)}
		}
	}
	if d, ok := loops(e, kind); ok {
		return d
	}
	stage, last := furthest(e.err)
	seen := func(k console.Kind) bool { return hasKind(e.findings, k) }
	fault := reports.FaultInfra
	if e.idle || e.refused && (stage == guest.StageHostKey || stage == guest.StageLogin) {
		fault = reports.FaultImage
	}
	switch {
	case stage == guest.StageBoot && waitsOutside(last):
		fault = reports.FaultInfra // of the network, which is closed
	case e.ignited && !e.cloudInit, (stage == guest.StageHostKey || stage == guest.StageLogin) && withoutHostKey.MatchString(e.cloudInitVersion):
		fault = reports.FaultInfra // there is no way in for us
	}
	waited := e.waited.Round(time.Second)
	waits := ""
	if e.waiting != "" {
		waits = "; the last that it waited for: " + e.waiting
	}
	switch {
	case stage == guest.StageBoot || stage == guest.StageNoLogin:
		return diagnosis{Check: bootComplete, Fault: fault, Message: fmt.Sprintf("users could log in, but the boot had not finished after %s%s%s", waited, inBrackets(last), waits)}
	case stage == guest.StageHostKey || stage == guest.StageLogin:
		why := "the seed was not applied"
		if e.ignited {
			why += "; Ignition configures this image, which may have no cloud-init to read one: build it with cloud-init, or with a key to log in"
		}
		if withoutHostKey.MatchString(e.cloudInitVersion) {
			why += "; cloud-init " + e.cloudInitVersion + " knows no ed25519 host keys, with which Assay knows its guests: 0.7.7 is the first that does"
		}
		return diagnosis{Check: bootSeed, Fault: fault,
			Message: fmt.Sprintf("SSH answers but does not know the key of the cloud-init seed (%s): %s", last, why)}
	case stage == guest.StageBanner:
		return diagnosis{Check: bootSSH, Fault: fault, Message: "something answers on port 22, but it does not finish the SSH handshake: " + last}
	case e.bytes == 0:
		return diagnosis{Check: bootLoader, Fault: reports.FaultInfra, Message: fmt.Sprintf("not one byte came from the serial console in %s, not even from the firmware", waited)}
	case seen(console.LoginPrompt) || seen(console.CloudInitFinished):
		return diagnosis{Check: bootSSH, Fault: fault, Message: "the system came up to its login prompt, but nothing answers on port 22"}
	case seen(console.KernelStarted):
		return diagnosis{Check: bootComplete, Fault: fault, Message: fmt.Sprintf("the kernel started, but after %s nothing answers on port 22%s%s", waited, inBrackets(last), waits)}
	case e.loader == loaderWaits:
		return diagnosis{Check: bootLoader, Fault: reports.FaultImage, Message: fmt.Sprintf("the boot loader shows its menu, and in %s boots nothing of it by itself", waited)}
	case e.loader == loaderDone:
		return diagnosis{Check: bootComplete, Fault: fault, Message: fmt.Sprintf(
			"the boot loader started a kernel, which in %s said no word on the serial console (does the kernel's command line lack console=?), and nothing answers on port 22", waited)}
	}
	return diagnosis{Check: bootLoader, Fault: fault, Message: fmt.Sprintf("the firmware ran, but in %s no kernel said a word on the serial console and nothing answers on port 22", waited)}
}

// rebootLoop is how many kernels start before a boot counts as one that never
// ends. SELinux and Ignition reboot a first boot once or twice.
const rebootLoop = 4

// loops tells a guest that reboots again and again from a slow one. Under
// emulation it has to have said that it reboots: an emulator may trip, too.
func loops(e ending, kind accel.Kind) (diagnosis, bool) {
	var starts, byItself []console.Finding
	for _, f := range e.findings {
		switch f.Kind {
		case console.KernelStarted:
			starts = append(starts, f)
		case console.Shutdown:
			byItself = append(byItself, f)
		}
	}
	if len(starts) < rebootLoop {
		return diagnosis{}, false
	}
	d := diagnosis{Check: bootComplete, Fault: reports.FaultInfra, Shown: starts,
		Message: fmt.Sprintf("the guest reboots again and again: %d kernels were started in %s, and no boot was finished", len(starts), e.waited.Round(time.Second))}
	if kind == accel.KVM || len(byItself) >= rebootLoop-1 {
		d.Fault = reports.FaultImage
		d.Shown = slices.Concat(byItself, starts)
	}
	return d, true
}

// loaderState is what GRUB, or the kernel's own loader, was last seen at.
type loaderState int

const (
	loaderUnseen loaderState = iota
	// loaderWaits shows a menu without a countdown: for a person who will not come.
	loaderWaits
	// loaderDone has handed over to a kernel.
	loaderDone
)

var (
	loaderMenu  = regexp.MustCompile(`select which entry is highlighted`)
	loaderCount = regexp.MustCompile(`will be (executed|started) automatically in`)
	loaderLeft  = regexp.MustCompile("^EFI stub: |^ *Booting `")
)

func loaderIn(lines []string) (st loaderState) {
	for _, l := range lines {
		switch {
		case loaderMenu.MatchString(l):
			st = loaderWaits
		case loaderCount.MatchString(l):
			st = loaderUnseen
		case loaderLeft.MatchString(l):
			st = loaderDone
		}
	}
	return st
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// What dracut, mkinitcpio and initramfs-tools print, with systemd in the
// initramfs or without, and how the switch to the real root is announced.
var (
	initramfsAtWork = regexp.MustCompile(`(?i)\bdracut[-:[]|(running in|booting) (initrd|initial RAM disk)|\(initramfs\)`)
	switchedRoot    = regexp.MustCompile(`(?i)switch(ing)? root|initrd-switch-root`)
)

// ignition is how Ignition and its units show on a console, and what Fedora
// CoreOS says of it before its login prompt.
var ignition = regexp.MustCompile(`\bignition\[\d+\]|\bIgnition \((fetch|files|disks|mount)|Ignition: (ran on|no config provided)|provided by Ignition`)

// cloudInitSays finds the version in a line that cloud-init prints at each of its stages.
var cloudInitSays = regexp.MustCompile(`\bCloud-init v\. ?(\d[\w.~+-]*)`)

// cloudInitVersion is what version cloud-init says on the console that it is.
func cloudInitVersion(lines []string) string {
	for _, l := range lines {
		if m := cloudInitSays.FindStringSubmatch(l); m != nil {
			return m[1]
		}
	}
	return ""
}

// Versions of cloud-init that a seed of today is too new for. Sources, in its own
// repository: cloudinit/config/cc_ssh.py, which has ed25519 since 0.7.7, and
// cloudinit/net/network_state.py, which before 17.1 makes nothing of version 2, at
// which the whole of cloud-init then dies.
var (
	withoutHostKey       = regexp.MustCompile(`^0\.7\.[0-6]\b`)
	withoutNetworkConfig = regexp.MustCompile(`^0\.`)
)

var cloudInit = regexp.MustCompile(`\bcloud-init(-\w+)?(\[\d+\]|\.service)|Cloud-init v\.`)

// outside are units that end, if at all, with an answer of the internet.
var outside = []string{"systemd-time-wait-sync.service", "chrony-wait.service", "ntp-wait.service", "ntpdate.service"}

// waitsOutside reports whether all that a boot is still busy with waits for the
// internet; see guest.NotReadyError.
func waitsOutside(detail string) bool {
	jobs, ok := strings.CutPrefix(detail, "still starting: ")
	return ok && jobs != "" && !slices.ContainsFunc(strings.Split(jobs, ", "), func(unit string) bool { return !slices.Contains(outside, unit) })
}

// ignited reports whether Ignition was at work in these lines.
func ignited(lines []string) bool { return slices.ContainsFunc(lines, ignition.MatchString) }

// inInitramfs reports whether the boot was still in its initramfs at the end of
// these lines.
func inInitramfs(lines []string) (in bool) {
	for _, l := range lines {
		switch {
		case switchedRoot.MatchString(l):
			return false
		case initramfsAtWork.MatchString(l):
			in = true
		}
	}
	return in
}

// furthest is the last stage that waiting for SSH reached, and what it said.
func furthest(err error) (guest.Stage, string) {
	var nr *guest.NotReadyError
	if errors.As(err, &nr) {
		switch {
		case nr.Detail != "":
			return nr.Stage, nr.Detail
		case nr.Last != nil:
			return nr.Stage, firstLine(strings.Split(nr.Last.Error(), "\n"))
		}
		return nr.Stage, ""
	}
	if err != nil {
		return guest.StageNoAnswer, err.Error()
	}
	return guest.StageNoAnswer, ""
}

func firstLine(lines []string) string {
	for _, l := range lines {
		if l = strings.TrimSpace(l); l != "" {
			return l
		}
	}
	return ""
}

// consoleExcerpt is the lines of the findings, or the end of the console.
func consoleExcerpt(w *console.Watcher, found []console.Finding) string {
	var lines []string
	for _, f := range found {
		lines = append(lines, f.Lines...)
	}
	if len(lines) == 0 {
		lines = w.Tail(consoleTail)
	}
	text := strings.Join(lines, "\n")
	if len(text) > reports.ExcerptLimit {
		text = text[len(text)-reports.ExcerptLimit:]
	}
	return text
}

// consoleTail is how many lines of a console are shown without a finding.
const consoleTail = 40
