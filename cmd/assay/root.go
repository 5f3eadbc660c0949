package main

import (
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	_ "assay/suites/all" // registers every check
)

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "assay",
		Short: "Boot OS images, judge them, and say whose fault a failure is",
		Long: `Assay boots an OS image in a virtual machine, tries what its release criteria
promise, and says accepted, rejected or undecided, with a report that shows why.

Exit status: 0 accepted or done, 1 internal error, 2 bad command line or input,
3 rejected, 4 undecided, 130 interrupted.`,
		Example: `  assay run fedora.qcow2
  assay run fedora.qcow2 --check base/failed-units --debug
  assay report assay-results/last`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q; see `assay --help`", args[0])
			}
			return c.Help()
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%s; see `%s --help`", notGo(err.Error()), c.CommandPath())
	})
	root.AddCommand(
		newRunCommand(), newBootCommand(), newSuitesCommand(), newSeedCommand(), newDoctorCommand(), newReportCommand(),
		newBuildCommand(), newReleaseCommand(), newHistoryCommand(), newPolicyCommand(), newServeCommand(), newWorkerCommand(),
		newDialCommand(),
	)
	root.AddCommand(newSubprocessCommands()...)
	return root
}

// notGo says in words what the flag package says in Go's.
func notGo(s string) string {
	return goWords.ReplaceAllStringFunc(s, func(found string) string {
		if strings.HasPrefix(found, "time:") {
			return "want a duration with its unit, as 90s, 5m or 6h"
		}
		if strings.HasPrefix(found, "strconv.ParseBool") {
			return "want true or false"
		}
		return "want a number"
	})
}

var goWords = regexp.MustCompile(`strconv\.\w+: parsing "[^"]*": (?:invalid syntax|value out of range)|time: (?:invalid duration|unknown unit|missing unit).*`)

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}
