package base

import (
	"context"
	"regexp"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "journal-clean", Title: "the journal shows no ordering cycle, failed generator, program panic or emergency mode", Run: journalClean,
})

// journalPatterns are what user space says when something is wrong. Crashed
// processes are core-dumps's, SELinux denials selinux-denials's.
var journalPatterns = []pattern{
	{"units wait for each other in a circle, and systemd dropped one of them", regexp.MustCompile(
		`[Oo]rdering cycle|deleted to break ordering cycle`), theImage},
	{"a unit generator failed", regexp.MustCompile(
		`system(d)?-generators/\S+ (failed with|terminated by|died)|[Gg]enerators? failed|Failed to execute generator`), theImage},
	{"the initramfs could not go on", regexp.MustCompile(`dracut: (FATAL|Refusing to continue)|Refusing to continue`), theImage},
	{"initrd-cleanup was killed", regexp.MustCompile(`initrd-cleanup\.service: (Main process exited, code=killed|Failed with)`), theImage},
	{"the boot went into emergency mode", regexp.MustCompile(`You are in emergency mode|Started (emergency\.service|Emergency Shell)|Reached target (emergency\.target|Emergency Mode)`), theImage},
	{"a Go program panicked", regexp.MustCompile(`^panic: |^fatal error: .*|^goroutine \d+ \[running\]:`), theImage},
	{"memory ran out", regexp.MustCompile(`killed by the OOM killer|Failed with result 'oom-kill'|Killed .* due to memory (used|pressure)`), theImage},
	{"a unit file is broken", regexp.MustCompile(`has a bad unit file setting|Service has no ExecStart=, ExecStop=`), theImage},
	{"the root file system was remounted read-only", regexp.MustCompile(`Remounting filesystem read-only`), theImage},
}

func journalClean(ctx context.Context, t *check.T) error {
	entries, err := probe.Search(ctx, t, guest.JournalQuery{}, grep(journalPatterns))
	if err != nil {
		return err
	}
	var user []guest.Entry
	for _, e := range entries {
		if e.Transport != "kernel" || e.Ident != "kernel" {
			user = append(user, e)
		}
	}
	return reportFindings(t, scan(user, journalPatterns))
}
