package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"assay/harness"
)

// newSubprocessCommands are the parts of a run that are processes of their
// own; people have no use for them.
func newSubprocessCommands() []*cobra.Command {
	var out []*cobra.Command
	for _, name := range harness.Subprocesses() {
		out = append(out, &cobra.Command{
			Use: name, Hidden: true, Args: cobra.ArbitraryArgs, DisableFlagParsing: true, Short: "A part of a run",
			RunE: func(c *cobra.Command, args []string) error {
				// They end with their parent, not with the terminal's Ctrl-C.
				status, _ := harness.Subprocess(context.WithoutCancel(c.Context()), append([]string{name}, args...))
				if status != 0 {
					return exitError(status)
				}
				return nil
			},
		})
	}
	return out
}

// newDialCommand is what ssh uses as its ProxyCommand into a held guest.
func newDialCommand() *cobra.Command {
	return &cobra.Command{
		Use: "dial SOCKET PORT", Hidden: true, Args: cobra.ExactArgs(2), Short: "Connect standard input and output to a port of a guest",
		RunE: func(c *cobra.Command, args []string) error {
			port, err := strconv.Atoi(args[1])
			if err != nil {
				return usagef("cannot read port %q: %w", args[1], err)
			}
			conn, err := harness.DialRelay(c.Context(), args[0], port)
			if err != nil {
				return err
			}
			defer conn.Close()
			go func() { // ends with the process, when ssh closes its end
				_, _ = io.Copy(conn, os.Stdin)
				if w, ok := conn.(interface{ CloseWrite() error }); ok {
					_ = w.CloseWrite()
				}
			}()
			if _, err := io.Copy(os.Stdout, conn); err != nil {
				return fmt.Errorf("the guest hung up: %w", err)
			}
			return nil
		},
	}
}
