package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"assay/release"
	"assay/release/adapters"
	"assay/release/config"
	"assay/release/policy"
	"assay/reports"
)

func newPolicyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "policy",
		Short:   "Check the policies of streams",
		Example: `  assay policy check policies/fedora-43.yaml`,
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newPolicyCheckCommand())
	return c
}

func newPolicyCheckCommand() *cobra.Command {
	f := &stageFlags{}
	c := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "Check policy files; without any, the whole configuration",
		Long: `Checks policy files, and says what they amount to. Without a file it checks the
configuration, every policy that it names, whether it has the adapters that these
name, and the keys and files of those as far as they are on this host. Faults have
line and column; the status is 2.`,
		Example: `  assay policy check policies/*.yaml
  assay policy check --config /etc/assay/assay.yaml`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			var all []*release.Policy
			for _, file := range args {
				p, err := policy.Read(file)
				if err != nil {
					return &usageError{err}
				}
				all = append(all, p)
			}
			if len(args) == 0 {
				cfg, err := f.readConfig()
				if err != nil {
					return err
				}
				if missing := adapters.Missing(cfg); len(missing) > 0 {
					for _, m := range missing[1:] {
						fmt.Fprintf(c.ErrOrStderr(), "assay: %s\n", m)
					}
					return usagef("%s", missing[0])
				}
				if err := adapters.CheckIntakes(cfg); err != nil {
					return &usageError{err}
				}
				if err := checkHost(c, cfg); err != nil {
					return err
				}
				all = cfg.Streams()
			}
			lines := []policySummary{}
			for _, p := range all {
				lines = append(lines, summarize(p, time.Now()))
			}
			if f.json {
				return printJSON(c, lines)
			}
			for _, l := range lines {
				next := "follows " + string(l.Follows)
				if len(l.Dates) > 0 {
					next = "next dates"
					for _, d := range l.Dates {
						next += " " + d.UTC().Format("2006-01-02 15:04 MST") + ","
					}
					next = next[:len(next)-1]
				}
				if _, err := fmt.Fprintf(c.OutOrStdout(), "%s: good: %s; %d artifacts; %s\n", l.Stream, reports.Line(l.Title, 200), len(l.Artifacts), next); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.addTo(c)
	f.jsonTo(c)
	return c
}

// checkHost opens what the service opens when it starts, so that a key that others
// can read is known before. What is not on this host, or not for this user to
// read, is told of and no fault: policies are checked elsewhere, too.
func checkHost(c *cobra.Command, cfg *config.Config) error {
	// The service's own spool is left alone: this may be another user.
	spool, err := os.MkdirTemp("", "assay-check-")
	if err != nil {
		return fmt.Errorf("cannot check the adapters: %w", err)
	}
	defer func() { _ = os.RemoveAll(spool) }()
	here := *cfg
	here.Spool = spool
	_, err = adapters.Open(&here, adapters.Options{Log: struct{ release.Log }{}, Pages: &adapters.Pages{Config: &here}})
	_, terr := readTokens(cfg.Serve.Tokens)
	for _, err := range []error{err, terr} {
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
			fmt.Fprintf(c.ErrOrStderr(), "assay: not checked here, and `assay serve` starts only where it can be read: %v\n", err)
		default:
			var usage *usageError
			if !errors.As(err, &usage) {
				err = &usageError{err}
			}
			return err
		}
	}
	return nil
}

// policySummary is what a policy amounts to, for programs.
type policySummary struct {
	Stream    release.Stream       `json:"stream"`
	Title     string               `json:"title"`
	Artifacts []release.ArtifactID `json:"artifacts"`
	Follows   release.Stream       `json:"follows,omitempty"`
	Dates     []time.Time          `json:"dates,omitempty"`
	Adapters  []string             `json:"adapters"`
}

func summarize(p *release.Policy, now time.Time) policySummary {
	out := policySummary{Stream: p.Stream, Title: p.Title, Artifacts: []release.ArtifactID{}, Adapters: []string{}}
	for _, w := range p.Artifacts {
		out.Artifacts = append(out.Artifacts, w.ID)
	}
	if p.Follow != nil {
		out.Follows = p.Follow.Stream
	} else if p.Calendar != nil {
		for t := now; len(out.Dates) < 3; {
			t = p.Calendar.Next(t).At
			out.Dates = append(out.Dates, t)
		}
	}
	for _, t := range adapters.Wanted(p) {
		out.Adapters = append(out.Adapters, adapters.Sections[t.Kind]+"."+t.Name)
	}
	return out
}
