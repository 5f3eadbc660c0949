package console

import "assay/reports"

// Kind is what a finding is about.
type Kind string

// What goes wrong with a boot.
const (
	KernelPanic    Kind = "kernel-panic"
	Oops           Kind = "oops"
	KernelWarning  Kind = "kernel-warning"
	EmergencyShell Kind = "emergency-shell"
	InitramfsShell Kind = "initramfs-shell"
	RootNotFound   Kind = "root-not-found"
	// InitFroze is an init that met an error it could not survive and stopped.
	InitFroze     Kind = "init-froze"
	LoaderPrompt  Kind = "loader-prompt"
	NoBootDevice  Kind = "no-boot-device"
	OutOfMemory   Kind = "out-of-memory"
	HungTask      Kind = "hung-task"
	SoftLockup    Kind = "soft-lockup"
	OrderingCycle Kind = "ordering-cycle"
	UnitFailed    Kind = "unit-failed"
	SELinuxDenial Kind = "selinux-denial"
	CoreDump      Kind = "core-dump"
	// IOError is a disk's or a file system's. What the host does to a disk is not
	// among them: QEMU pauses the guest then.
	IOError Kind = "io-error"
	// CPUTooOld is a C library that wants instructions which the guest's CPU lacks.
	CPUTooOld Kind = "cpu-too-old"
	// UnexpectedReboot is a kernel or a firmware that starts although the one
	// before, still booting, did not say that it ends. Fatal when that one had
	// oopsed. After a login prompt the harness knows better who restarted what.
	UnexpectedReboot Kind = "unexpected-reboot"
	// EmulatorFault is a crash that emulation itself is known to cause: the
	// infrastructure's, to be tried again. Where the guest ran under KVM, treat
	// it as a KernelPanic.
	EmulatorFault Kind = "emulator-fault"
)

// What goes well, or merely happens.
const (
	KernelStarted     Kind = "kernel-started"
	LoginPrompt       Kind = "login-prompt"
	CloudInitFinished Kind = "cloud-init-finished"
	Shutdown          Kind = "shutdown"
	// SELinuxRelabel is a first boot that labels every file: it takes minutes and
	// ends in a reboot.
	SELinuxRelabel Kind = "selinux-relabel"
)

type kindFacts struct {
	check reports.CaseID
	title string
}

var facts = map[Kind]kindFacts{
	KernelPanic:       {"boot/kernel", "the kernel panicked"},
	Oops:              {"boot/kernel", "the kernel reported a fault of its own (oops)"},
	UnexpectedReboot:  {"boot/kernel", "the machine restarted without a shutdown"},
	KernelWarning:     {"boot/kernel-warnings", "the kernel printed a warning"},
	EmergencyShell:    {"boot/emergency", "the boot ended in emergency mode"},
	InitramfsShell:    {"boot/initramfs", "the boot ended in the initramfs"},
	InitFroze:         {"boot/emergency", "init gave up and froze"},
	RootNotFound:      {"boot/initramfs", "the root file system was not found"},
	LoaderPrompt:      {"boot/loader", "the boot loader could not go on"},
	NoBootDevice:      {"boot/loader", "the firmware found nothing to boot"},
	OutOfMemory:       {"boot/memory", "the kernel killed a process for lack of memory"},
	HungTask:          {"boot/hangs", "a task hung"},
	SoftLockup:        {"boot/hangs", "a CPU or a work queue hung"},
	OrderingCycle:     {"boot/ordering-cycles", "units wait for each other in a circle"},
	UnitFailed:        {"boot/units", "a unit failed during boot"},
	SELinuxDenial:     {"boot/selinux", "SELinux denied an access"},
	CoreDump:          {"boot/core-dumps", "a process crashed"},
	IOError:           {"boot/storage", "a disk or a file system reported an error"},
	CPUTooOld:         {"", "the image wants a newer processor"},
	EmulatorFault:     {"", "the emulator broke the guest"},
	KernelStarted:     {"", "a kernel started"},
	LoginPrompt:       {"", "a login prompt appeared"},
	CloudInitFinished: {"", "cloud-init finished"},
	Shutdown:          {"", "the guest shut down"},
	SELinuxRelabel:    {"", "SELinux relabels every file"},
}

// Check is the case that a finding of this kind fails. It is empty for what is
// no failure of the image: good news, and EmulatorFault.
func (k Kind) Check() reports.CaseID { return facts[k].check }

// Title says in a few words what a finding of this kind means, as the start of
// a sentence without its capital: "the kernel panicked".
func (k Kind) Title() string { return facts[k].title }
