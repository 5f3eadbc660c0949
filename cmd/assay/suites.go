package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"assay/harness"
	"assay/suites/check"
)

func newSuitesCommand() *cobra.Command {
	var sel harness.Selection
	var asJSON bool
	c := &cobra.Command{
		Use:   "suites",
		Short: "List what would be checked, by criterion",
		Example: `  assay suites
  assay suites --suite containers
  assay suites --checks ./my-checks --suite 'user*'
  assay suites --json | jq -r '.[].id'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := notEmpty(c); err != nil {
				return err
			}
			all, err := harness.ChecksWith(sel.Folders)
			if err != nil {
				return err
			}
			checks, err := harness.Select(all, sel)
			if err != nil {
				return err
			}
			if asJSON {
				return listJSON(c, checks)
			}
			return listText(c, checks)
		},
	}
	selectionFlags(c, &sel)
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return c
}

// listed is one check for programs.
type listed struct {
	ID        string   `json:"id"`
	Criterion string   `json:"criterion"`
	Title     string   `json:"title"`
	Blocking  bool     `json:"blocking"`
	State     string   `json:"state"`
	Isolated  bool     `json:"isolated"`
	Labels    []string `json:"labels,omitempty"`
}

func listJSON(c *cobra.Command, checks []check.Registered) error {
	out := make([]listed, 0, len(checks))
	for _, r := range checks {
		out = append(out, listed{ID: string(r.ID()), Criterion: r.Suite.Criterion, Title: r.Title, Blocking: !r.Advisory,
			State: string(r.State), Isolated: r.Isolated, Labels: r.Labels})
	}
	enc := json.NewEncoder(c.OutOrStdout())
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

func listText(c *cobra.Command, checks []check.Registered) error {
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 4, 2, ' ', 0)
	suite := ""
	for _, r := range checks {
		if r.Suite.Name != suite {
			if suite != "" {
				fmt.Fprintln(w)
			}
			suite = r.Suite.Name
			fmt.Fprintf(w, "%s  %s: %s\n", r.Suite.Criterion, r.Suite.Name, r.Suite.Title)
		}
		var marks []string
		if r.Advisory {
			marks = append(marks, "advisory")
		}
		if r.State != check.Booted {
			marks = append(marks, "needs "+string(r.State))
		}
		if r.Isolated {
			marks = append(marks, "own guest")
		}
		marks = append(marks, r.Labels...)
		note := ""
		if len(marks) > 0 {
			note = "(" + strings.Join(marks, ", ") + ")"
		}
		fmt.Fprintf(w, "  %s\t%s %s\n", r.ID(), r.Title, note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "\n%d checks\n", len(checks))
	return err
}
