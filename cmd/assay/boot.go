package main

import (
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"assay/harness"
)

func newBootCommand() *cobra.Command {
	var g guestFlags
	var opt harness.Options
	c := &cobra.Command{
		Use:   "boot [flags] IMAGE",
		Short: "Boot an image as a suite would, and open a shell in it",
		Long: `Boot an image with a seed of its own on a throw-away disk and open a shell in it.
Without a terminal, say how to enter it and wait for Ctrl-C. Nothing is kept.

Exit status: 0 once the shell ended, 3 when the image does not boot, 4 when the
host could not do its part, 2 bad command line or image.`,
		Example: `  assay boot fedora.qcow2
  assay boot fedora.qcow2 --firmware bios --memory 4096`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("want one image; see `assay boot --help`")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := g.apply(&opt); err != nil {
				return err
			}
			opt.Image = args[0]
			p := newProgress(os.Stderr)
			defer p.close()
			opt.Progress = p.show
			opt.Hold = func(h harness.Held) {
				if term.IsTerminal(int(os.Stdin.Fd())) {
					p.pause(func() { shellInto(c.Context(), h) })
					return
				}
				p.pause(func() { explainHeld(os.Stdout, h) })
				<-c.Context().Done()
			}
			return harness.Boot(c.Context(), opt)
		},
	}
	g.add(c, &opt)
	return c
}
