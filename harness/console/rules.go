package console

import (
	"regexp"
	"strings"
)

// phase is how far the boot has come.
type phase uint8

const (
	inFirmware phase = 1 << iota // firmware and boot loader
	inBoot                       // a kernel runs
	isUp                         // a login prompt or the end of cloud-init was seen
	anyPhase   = inFirmware | inBoot | isUp
	notUp      = inFirmware | inBoot
)

// rule recognises one kind of line. needle is a text that every match holds: it
// spares the regular expression on nearly every line.
type rule struct {
	kind   Kind
	needle string
	re     *regexp.Regexp
	// by is whose line it must be; names narrows services.
	by    author
	names []string
	// when is the phases in which the line means this at all, fatal those in
	// which the boot ends with it.
	when, fatal phase
	// after is how many following lines belong to the finding.
	after int
	// prompt rules also look at a line that has not ended. Their expressions
	// are anchored at the start and know no end, so that a match of a line's
	// beginning is a match of the line.
	prompt bool
}

// maxPrompt is how much of a line prompt rules look at.
const maxPrompt = 128

func (r *rule) matches(e *entry) bool {
	if e.author != r.by || !strings.Contains(e.text, r.needle) {
		return false
	}
	if len(r.names) > 0 && !hasName(r.names, e) {
		return false
	}
	return r.re == nil || r.re.MatchString(e.text)
}

// hasName knows "systemd[1]" as process 1 alone, and a trailing * as any rest.
func hasName(names []string, e *entry) bool {
	for _, n := range names {
		if rest, ok := strings.CutSuffix(n, "*"); ok && strings.HasPrefix(e.name, rest) ||
			n == e.name || n == e.name+"["+e.pid+"]" {
			return true
		}
	}
	return false
}

func re(s string) *regexp.Regexp { return regexp.MustCompile(s) }

// A call trace with registers is some forty lines.
const trace = 40

// kernelRules are about what the kernel prints. Sources: kernel/panic.c,
// arch/*/kernel/{dumpstack,traps}.c, mm/oom_kill.c, kernel/{hung_task,watchdog,workqueue}.c,
// kernel/rcu/tree_stall.h, block/blk-core.c, kernel/reboot.c.
var kernelRules = []rule{
	// A host that is too busy for its guests lets their timer interrupts come too late.
	{kind: EmulatorFault, needle: "Kernel panic", re: re(`^Kernel panic - not syncing: (?:IO-APIC \+ timer doesn't work|Timeout: Not all CPUs entered broadcast exception handler)`), when: notUp, fatal: notUp, after: trace},
	{kind: RootNotFound, needle: "VFS: Unable to mount root fs", re: re(`^Kernel panic`), fatal: anyPhase, after: trace},
	{kind: KernelPanic, needle: "Kernel panic", re: re(`^Kernel panic[ :-]`), fatal: anyPhase, after: trace},
	// QEMU's emulation may run an instruction that a kernel has just patched back: that of
	// 7.2 does, at any time, for code that static keys switch.
	{kind: EmulatorFault, needle: "int3", re: re(`^(?:Oops: )?int3: [0-9a-f]{4} \[#\d`), fatal: notUp, after: trace},
	{kind: Oops, needle: "BUG: ", re: re(`^BUG: (?:unable|kernel|Bad|KASAN|KFENCE|scheduling|sleeping|using|spinlock|stack|TASK)`), after: trace},
	{kind: Oops, needle: "Oops", re: re(`^(?:Internal error: )?Oops[ :-]`), after: trace},
	{kind: Oops, needle: "kernel BUG at ", re: re(`^kernel BUG at `), after: trace},
	{kind: Oops, needle: "Unable to handle kernel", re: re(`^Unable to handle kernel `), after: trace},
	{kind: Oops, needle: " [#", re: re(`^[a-z][a-z0-9 ]{2,30}: [0-9a-f]{4,8} \[#\d+\]`), after: trace},
	// QEMU's emulation trips over instructions that hardware carries out.
	{kind: EmulatorFault, needle: "PANIC: double fault", re: re(`^PANIC: `), when: notUp, after: trace},
	{kind: Oops, needle: "PANIC: double fault", re: re(`^PANIC: `), when: isUp, after: trace},
	{kind: KernelWarning, needle: "WARNING: ", re: re(`^WARNING: (?:CPU: \d+ PID: \d+ )?(?:at|possible|suspicious|bad) `), after: 20},
	{kind: KernelWarning, needle: "[ INFO: possible", after: 20},
	{kind: OutOfMemory, needle: "Out of memory", re: re(`^(?:Out of memory: Kill|Kernel panic - not syncing: Out of memory)`), after: 2},
	{kind: HungTask, needle: "for more than", re: re(` blocked (?:in I/O wait )?for more than \d+ seconds`), after: trace},
	{kind: SoftLockup, needle: "workqueue lockup", re: hungPool, after: 20},
	{kind: SoftLockup, needle: "soft lockup", re: re(`^(?:NMI )?(?:watchdog: )?BUG: soft lockup - CPU`), after: trace},
	{kind: SoftLockup, needle: "hard LOCKUP", re: re(`Watchdog detected hard LOCKUP on cpu`), after: trace},
	{kind: SoftLockup, needle: "detected", re: re(`^(?:rcu: )?INFO: rcu_\w+ (?:self-)?detected`), after: trace},
	{kind: SELinuxDenial, needle: "avc:  denied"},
	{kind: CoreDump, needle: "segfault at ", re: re(`^\S+\[\d+\]: segfault at `), after: 1},
	{kind: CoreDump, needle: "traps: ", re: re(`^traps: \S+\[\d+\] `)},
	// A floppy or an empty CD drive that the board has is nobody's failure.
	{kind: IOError, needle: "I/O error", re: re(`I/O error(?:, dev| on dev(?:ice)?) (?:[a-eg-rt-z]|f[a-ce-z]|s[a-qs-z])`), after: 2},
	{kind: IOError, needle: "EXT4-fs", re: re(`^EXT4-fs (?:error|warning \(.*Filesystem error recorded)`), after: 2},
	{kind: IOError, needle: "XFS (", re: re(`^XFS \([^)]*\): (?:Metadata corruption|Corruption|Internal error|log I/O error)`), after: 4},
	{kind: IOError, needle: "BTRFS ", re: re(`^BTRFS (?:error|critical) `), after: 2},
	{kind: IOError, needle: "rejecting I/O to offline device"},
	{kind: InitramfsShell, needle: "dracut: ", re: re(`^dracut: (?:FATAL: |Refusing to continue)`), when: notUp, fatal: notUp, after: 4},
	{kind: KernelStarted, needle: "Linux version ", re: re(`^Linux version \d+\.\d+`)},
	{kind: Shutdown, needle: "reboot: ", re: lastWords},
	{kind: Shutdown, needle: "Resetting", re: lastWords},
	{kind: Shutdown, needle: "kexec_core: Starting new kernel"},
}

var (
	hungPool  = re(`^BUG: workqueue lockup - pool .* stuck for (\d+)s!`)
	lastWords = re(`^reboot: (?:Restarting system|Power down|System halted|machine restart|Power off)|^(?i:sysrq ?: Resetting)`)
)

// serviceRules are about entries of the journal. Sources: systemd's
// src/core/{transaction,main,emergency-action}.c and src/coredump, dracut's modules.d/98dracut-systemd
// and 99base, ostree's src/switchroot, cloud-init's cmd/main.py.
var serviceRules = []rule{
	{kind: RootNotFound, needle: "Could not boot", names: []string{"dracut*"}, when: notUp, fatal: notUp, after: 10},
	{kind: InitramfsShell, needle: "", names: []string{"dracut*"}, re: re(`^(?:dracut: |//lib/dracut\S* )?(?:FATAL: |Refusing to continue)`), when: notUp, fatal: notUp, after: 4},
	{kind: RootNotFound, needle: "", names: []string{"ostree-prepare-root"}, when: notUp, fatal: notUp, after: 4,
		re: re(`(?i)couldn't find|failed to|no ostree target|error: `)},
	{kind: InitFroze, needle: "", names: []string{"systemd[1]"}, re: re(`^(?:Freezing execution|Caught <\w+>)`), fatal: anyPhase, after: 4},
	{kind: RootNotFound, needle: "Failed to", names: []string{"systemd[1]"}, re: noRoot, when: notUp, fatal: notUp, after: 6},
	{kind: OrderingCycle, needle: "ound ordering cycle", names: []string{"systemd"}, after: 6},
	{kind: UnitFailed, needle: "ailed", names: []string{"systemd[1]"}, re: re(`Failed with result|entered failed state|^Failed to (?:start|mount|listen) `)},
	{kind: CoreDump, needle: "dumped core", names: []string{"systemd-coredump"}, after: 2},
	{kind: CoreDump, needle: "code=dumped", names: []string{"systemd[1]"}},
	{kind: SELinuxDenial, needle: "avc:  denied", names: []string{"audit", "kernel", "auditd", "dbus-daemon", "systemd"}},
	{kind: SELinuxRelabel, needle: "relabel is required", names: []string{"selinux-autorelabel"}, after: 2},
	{kind: CloudInitFinished, needle: "Cloud-init v. ", names: []string{"cloud-init"}, re: cloudInitEnd},
	{kind: Shutdown, needle: "", names: []string{"systemd-shutdown[1]"}, re: re(`^(?:Sending SIGTERM|Rebooting|Powering off|Halting)`)},
}

var (
	noRoot       = re(`^(?:\[FAILED\] )?Failed to (?:start|mount) .*(?:Switch Root|initrd-switch-root|OSTree Prepare OS|ostree-prepare-root|/sysroot\b)`)
	cloudInitEnd = re(`^Cloud-init v\. ?\S+ finished at `)
)

// rawRules are about text without an author: firmware, boot loaders, systemd's
// status lines, sulogin, shells.
var rawRules = []rule{
	// sysdeps/x86/get-isa-level.h and elf/dl-hwcaps of glibc.
	{kind: CPUTooOld, needle: "CPU ", re: re(`CPU does not support x86-64-v\d|CPU ISA level is lower than required`), when: notUp, fatal: notUp},
	{kind: LoaderPrompt, needle: "grub", re: re(`^grub(?: rescue)?>`), when: inFirmware, fatal: inFirmware, prompt: true},
	{kind: LoaderPrompt, needle: "Entering rescue mode", re: re(`^Entering rescue mode\.\.\.`), when: inFirmware, fatal: inFirmware, after: 1},
	{kind: LoaderPrompt, needle: "magic is broken", re: re(`^(?:alloc|free) magic is broken at `), when: inFirmware, fatal: inFirmware, after: 2}, // grub-core/kern/mm.c
	{kind: LoaderPrompt, needle: "fallback entries", re: re(`^Failed to boot both default and fallback entries`), when: inFirmware, fatal: inFirmware, after: 2},
	{kind: LoaderPrompt, needle: "", re: re(`^(?:Could not find kernel image: |No DEFAULT or UI configuration directive found)`), when: inFirmware, fatal: inFirmware, after: 2},
	{kind: NoBootDevice, needle: "BdsDxe: No bootable option", when: inFirmware, fatal: inFirmware, after: 1},
	{kind: NoBootDevice, needle: "", re: re(`^(?:No bootable device\.|Missing operating system|Operating system not found|Non-System disk|FATAL: No bootable medium)`), when: inFirmware, fatal: inFirmware, after: 1},
	{kind: NoBootDevice, needle: "Shell", re: re(`^(?:UEFI Interactive Shell v|Shell>)`), when: inFirmware, fatal: inFirmware, prompt: true},

	{kind: InitramfsShell, needle: "dracut:/#", re: re(`^dracut:/#`), when: notUp, fatal: notUp, prompt: true},
	{kind: InitramfsShell, needle: "(initramfs) ", re: re(`^\(initramfs\) `), when: notUp, fatal: notUp, prompt: true},
	{kind: InitramfsShell, needle: "Entering emergency mode", re: re(`^Entering emergency mode\. Exit the shell to continue`), when: anyPhase, fatal: notUp, after: 4},
	{kind: RootNotFound, needle: "", re: re(`^(?:ALERT! +\S+ does not exist\. +Dropping to a shell|Gave up waiting for root )`), when: notUp, fatal: notUp, after: 6},
	{kind: RootNotFound, needle: "[FAILED] Failed to", re: noRoot, when: notUp, fatal: notUp, after: 8},

	{kind: EmergencyShell, needle: " mode", re: re(`^(?:You are in|Welcome to) (?:emergency|rescue) mode[.!]`), fatal: notUp, after: 5},
	{kind: EmergencyShell, needle: " maintenance", re: re(`^(?:Give root password for|Press Enter for) (?:system )?maintenance`), fatal: notUp, prompt: true, after: 2},
	{kind: EmergencyShell, needle: "root account is locked", re: re(`^Cannot open access to console, the root account is locked`), fatal: notUp, after: 3},
	{kind: EmergencyShell, needle: "mergency", re: re(`^\[  OK  \] Reached target (?:emergency\.target|Emergency Mode)`), fatal: notUp, after: 4},
	{kind: InitFroze, needle: "[!!!!!!]", re: re(`^\[!!!!!!\] `), fatal: anyPhase, after: 4},

	{kind: OrderingCycle, needle: "ound ordering cycle on ", re: re(`^\S+: Found ordering cycle on `), after: 6},
	{kind: UnitFailed, needle: "[", re: re(`^\[(?:FAILED\] Failed to |DEPEND\] Dependency failed |(?: TIME |TIME)\] Timed out )`), after: 1},
	{kind: SELinuxDenial, needle: "avc:  denied", re: re(`^type=AVC msg=audit\(`)},
	{kind: LoginPrompt, needle: " login:", re: re(`^(?:[\w-]{1,63}\.){0,8}[\w-]{1,63} login:`), prompt: true},
	{kind: CloudInitFinished, needle: "Cloud-init v. ", re: cloudInitEnd},
	{kind: Shutdown, needle: "Reached target ", re: re(`^\[  OK  \] Reached target (?:(?:reboot|poweroff|halt|kexec|shutdown|umount)\.target|Shutdown|System (?:Reboot|Power Off|Halt|Shutdown)|Reboot|Power-Off)`)},
}

// banner is the start of a firmware or a boot loader, which a running kernel
// never prints.
var banner = re(`^(?:SeaBIOS \(version |UEFI firmware \(version |BdsDxe: (?:loading|failed to load|starting) Boot|GRUB loading|Welcome to GRUB!)`)

// promptRules are those of rawRules that look at unfinished lines.
var promptRules []*rule

func init() {
	for _, set := range []struct {
		rules []rule
		by    author
	}{{kernelRules, kernel}, {serviceRules, service}, {rawRules, raw}} {
		for i := range set.rules {
			r := &set.rules[i]
			r.by = set.by
			if r.when == 0 {
				r.when = anyPhase
			}
			if r.prompt {
				promptRules = append(promptRules, r)
			}
		}
	}
}
