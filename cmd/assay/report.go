package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"assay/reports"
)

func newReportCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "report RESULTS [RESULTS]",
		Short: "Render results again, or compare two runs",
		Long: `With one results folder (or its results.json): writes the page, the JUnit and
the TAP file beside it anew and says what the run found. With two: says what
changed from the first to the second: newly failing, newly passing, skipped,
slower.

A file under another name than results.json is read and nothing is written
beside it. The exit status tells whether that worked, not what the verdict is.`,
		Example: `  assay report assay-results/last
  assay report results/monday results/tuesday
  assay report --json results/monday results/tuesday | jq '.newly_failing[].id'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 2 {
				return usagef("report takes one results folder to render, or two to compare; got %d", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			runs := make([]*reports.Run, len(args))
			for i, path := range args {
				run, err := reports.Read(path)
				if err != nil {
					return &usageError{err}
				}
				runs[i] = run
			}
			out, color := c.OutOrStdout(), isColorful(c.OutOrStdout())
			if len(runs) == 2 {
				change := reports.Compare(runs[0], runs[1])
				if asJSON {
					return change.EncodeJSON(out)
				}
				return change.Text(out, color)
			}
			if err := renderAgain(c.ErrOrStderr(), args[0], runs[0]); err != nil {
				return err
			}
			if asJSON {
				return reports.EncodeJSON(out, runs[0])
			}
			return reports.Summary(out, runs[0], color)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write the run, or the comparison, as JSON")
	return c
}

// renderAgain rewrites what follows from results.json, in the folder it lies
// in. A results file under another name may lie anywhere: beside it nothing is
// written, and the summary then names no page.
func renderAgain(stderr io.Writer, path string, run *reports.Run) error {
	if st, err := os.Stat(path); err == nil && !st.IsDir() && filepath.Base(path) != reports.ResultsFile {
		fmt.Fprintf(stderr, "assay: %s is not named %s: nothing is written beside it\n", path, reports.ResultsFile)
		run.Dir = ""
		return nil
	}
	return reports.Render(run.Dir, run)
}

// isColorful is true for a terminal whose user did not ask for no colours
// (https://no-color.org).
func isColorful(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
