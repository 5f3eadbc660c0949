package main

import (
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"assay/artifact"
	"assay/cloudinit"
	"assay/harness"
	"assay/harness/machine"
	"assay/suites/check"
)

// noArgs is cobra's rule as a usage error that says what may have been meant.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !c.HasSubCommands() {
		return usagef("`%s` takes no argument, and there is %q; see `%[1]s --help`", c.CommandPath(), args[0])
	}
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("`%s` has no command %q: did you mean %s? See `%[1]s --help`", c.CommandPath(), args[0], strings.Join(near, " or "))
	}
	return usagef("`%s` has no command %q; see `%[1]s --help`", c.CommandPath(), args[0])
}

// notEmpty refuses flags of a choice that were given and choose nothing, as an
// unset variable of a script does: they would choose everything.
func notEmpty(c *cobra.Command) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "suite", "check", "label", "checks", "retry-failed":
			list, ok := f.Value.(pflag.SliceValue)
			if ok && (len(list.GetSlice()) == 0 || slices.Contains(list.GetSlice(), "")) || !ok && f.Value.String() == "" {
				err = usagef("--%s is empty or has an empty item: leave it out to choose all", f.Name)
			}
		}
	})
	return err
}

func selectionFlags(c *cobra.Command, s *harness.Selection) {
	f := c.Flags()
	f.StringSliceVar(&s.Suites, "suite", nil, "only these suites (globs; repeat or separate by commas)")
	f.StringSliceVar(&s.Checks, "check", nil, "only these checks, suite/name (globs)")
	f.StringSliceVar(&s.Labels, "label", nil, "only checks with one of these labels; !label leaves them out, !suite a whole suite")
	f.StringArrayVar(&s.Folders, "checks", nil, "folder with checks of your own, see docs/own-checks.md (repeat for more)")
	complete(c, s, "suite", func(r check.Registered) []string { return []string{r.Suite.Name} })
	complete(c, s, "check", func(r check.Registered) []string { return []string{string(r.ID())} })
	complete(c, s, "label", func(r check.Registered) []string { return r.Labels })
}

// complete lets a shell complete a flag of s by what the checks have.
func complete(c *cobra.Command, s *harness.Selection, flag string, has func(check.Registered) []string) {
	_ = c.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		all, err := harness.ChecksWith(s.Folders)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		before := typed[:strings.LastIndexByte(typed, ',')+1] // a list's last item is what is typed
		var values []string
		for _, r := range all {
			for _, v := range has(r) {
				if strings.HasPrefix(before+v, typed) {
					values = append(values, before+v)
				}
			}
		}
		slices.Sort(values)
		return slices.Compact(values), cobra.ShellCompDirectiveNoFileComp
	})
}

// guestFlags are what run and boot share.
type guestFlags struct {
	firmware string
	seed     string
	verbose  bool
}

func (g *guestFlags) add(c *cobra.Command, o *harness.Options) {
	f := c.Flags()
	f.StringVar(&g.firmware, "firmware", "auto", "auto, uefi or bios")
	f.StringVar(&g.seed, "seed", string(cloudinit.NoCloud), "how guests get their seed: "+seedFormats())
	f.IntVar(&o.MemoryMiB, "memory", harness.DefaultMemoryMiB, "memory of each guest, in MiB")
	f.IntVar(&o.CPUs, "cpus", harness.DefaultCPUs, "virtual CPUs of each guest")
	f.StringVar(&o.URI, "connect", os.Getenv("LIBVIRT_DEFAULT_URI"), "libvirt to use; default qemu:///system for root, qemu:///session for others")
	f.StringVar(&o.Cache, "cache", "", "folder for prepared images and runs under way (default $ASSAY_CACHE, /var/cache/assay for root, ~/.cache/assay)")
	f.BoolVarP(&g.verbose, "verbose", "v", false, "say what the harness does, on standard error")
}

func seedFormats() string {
	var names []string
	for _, f := range cloudinit.Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, " or ")
}

// apply turns flags into options.
func (g *guestFlags) apply(o *harness.Options) error {
	switch g.firmware {
	case "auto", "":
	case string(artifact.UEFI), string(artifact.BIOS):
		o.Firmware = artifact.Firmware(g.firmware)
	default:
		return usagef("cannot use firmware %q: want auto, uefi or bios", g.firmware)
	}
	if err := machine.CheckURI(o.URI); err != nil {
		return &usageError{err}
	}
	format, err := cloudinit.ParseFormat(g.seed)
	if err != nil {
		return &usageError{err}
	}
	o.SeedFormat = format
	if o.MemoryMiB < 128 {
		return usagef("cannot give guests %d MiB of memory: no host boots in less than 128", o.MemoryMiB)
	}
	if o.CPUs < 1 {
		return usagef("cannot give guests %d CPUs", o.CPUs)
	}
	level := slog.LevelWarn
	if g.verbose {
		level = slog.LevelDebug
	}
	o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	o.Version = version()
	o.Command = os.Args
	return nil
}
