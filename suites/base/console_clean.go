package base

import (
	"context"
	"fmt"
	"regexp"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "console-clean", Title: "the kernel reports no fault: no oops, warning, file system error or out-of-memory kill", Run: consoleClean,
})

// kernelPatterns are what a kernel says when something is wrong. The serial
// console is watched by the harness while the guest boots; here is what the
// journal kept of the kernel's messages.
var kernelPatterns = []pattern{
	// Emulation is known to cause this one in early boot.
	{"an emulator's fault", regexp.MustCompile(`Oops: int3`), theHost},
	{"the kernel panicked", regexp.MustCompile(`Kernel panic - not syncing`), theImage},
	{"the kernel reported a fault of its own (oops)", regexp.MustCompile(
		`\bOops(: |#)|Internal error: |kernel BUG at |BUG: (unable to handle|kernel NULL pointer|Bad page state|KASAN|scheduling while atomic)|` +
			`Unable to handle kernel |general protection fault.* SMP|double fault`), theImage},
	// A starved host does this to a healthy guest, and so does a clock that is
	// set after a restore.
	{"the kernel saw a processor stuck", regexp.MustCompile(`soft lockup|hard LOCKUP|detected stalls? on|self-detected stall|blocked for more than \d+ seconds`), slowness},
	// It is read at boot, and says so.
	{"a floppy or CD drive has no medium", regexp.MustCompile(`I/O error, dev (?:fd|sr)\d`), nobody},
	{"the disk gave errors", regexp.MustCompile(`rejecting I/O to offline device|I/O error, dev `), theHost},
	// A network card that waits for a host which stands still.
	{"the network stood still", regexp.MustCompile(`^WARNING: .*\bat net/sched/sch_generic\.c`), slowness},
	{"the kernel printed a warning", regexp.MustCompile(`^WARNING: (CPU: \d|\S+:\d+ at )`), theImage},
	{"a file system is damaged", regexp.MustCompile(
		`EXT4-fs error|Delayed block allocation failed|XFS .*(Corruption|corruption|Unmount and run xfs_repair)|BTRFS (error|critical)|erofs: .*corrupt|fs-verity .*FILE CORRUPTED`), theImage},
	{"memory ran out", regexp.MustCompile(`invoked oom-killer|Out of memory: Kill`), theImage},
	// bootc finds out so, at each `bootc status`, whether it may set labels.
	{"bootc tried its rights", regexp.MustCompile(`SELinux: +Context \S*:invalid_bootcinstall_testlabel_t:`), nobody},
	{"the SELinux policy does not know a label that files carry", regexp.MustCompile(`SELinux: +Context .* (left unmapped|is not valid)`), theImage},
}

func consoleClean(ctx context.Context, t *check.T) error {
	entries, err := probe.Search(ctx, t, guest.JournalQuery{Transport: "kernel"}, grep(kernelPatterns))
	if err != nil {
		return err
	}
	var kernel []guest.Entry
	for _, e := range entries {
		// Early user space speaks through the kernel's log, too: that is journal-clean's.
		if e.Ident == "kernel" || e.Ident == "" {
			kernel = append(kernel, e)
		}
	}
	return reportFindings(t, scan(kernel, kernelPatterns))
}

// reportFindings turns findings into a judgement: the image's first.
func reportFindings(t *check.T, all []finding) error {
	image, host := of(theImage, all), of(theHost, all)
	if slow := of(slowness, all); t.Env.Accelerator != "tcg" {
		host = append(host, slow...)
	} else if len(slow) > 0 {
		t.Log("passed over, as emulation does that: %s: %s", slow[0].what, probe.OneLine(slow[0].entry.Message))
	}
	switch {
	case len(image) > 0:
		f := image[0]
		more := ""
		if len(image) > 1 {
			more = fmt.Sprintf(" (and %d more lines)", len(image)-1)
		}
		return check.FailWith(probe.Clip(probe.Entries(entriesOf(image)), 8000), "%s: %s%s", f.what, probe.OneLine(f.entry.Message), more)
	case len(host) > 0:
		return check.Infraf("the guest was disturbed, most likely by its host: %s: %s", host[0].what, probe.OneLine(host[0].entry.Message))
	}
	return nil
}
