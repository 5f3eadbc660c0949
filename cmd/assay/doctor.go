package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"assay/harness"
	"assay/harness/doctor"
	"assay/harness/machine"
)

// newDoctorCommand is "assay doctor": status 0 when guests can run here, 1
// otherwise.
func newDoctorCommand() *cobra.Command {
	var opt doctor.Options
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether this host can run guests, and what mends it if not",
		Long: `Looks at QEMU, libvirt, firmware, KVM, memory, cores, disk and the cache folder.
Each line says what was found; below what is missing stands the command that mends it.
Nothing is changed.

Exit status: 0 guests can run, 1 they cannot.`,
		Example: `  assay doctor
  assay doctor --json | jq '.checks[] | select(.status != "ok")'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if opt.Cache == "" {
				if opt.Cache, err = harness.DefaultCache(); err != nil {
					return err
				}
			}
			if opt.URI == "" {
				opt.URI = machine.DefaultURI()
			}
			opt.MemoryMiB = harness.DefaultMemoryMiB
			r := doctor.Examine(c.Context(), opt, doctor.ThisHost())
			if asJSON {
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetIndent("", "  ")
				err = enc.Encode(r)
			} else {
				err = r.Text(c.OutOrStdout())
			}
			if err != nil {
				return fmt.Errorf("cannot print the report: %w", err)
			}
			if !r.Ready {
				return exitError(exitInternal)
			}
			return nil
		},
	}
	f := c.Flags()
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	f.StringVar(&opt.Cache, "cache", "", "folder for images and runs (default $ASSAY_CACHE, /var/cache/assay for root, ~/.cache/assay)")
	f.StringVar(&opt.URI, "connect", os.Getenv("LIBVIRT_DEFAULT_URI"), "libvirt to use; default qemu:///system for root, qemu:///session for others")
	return c
}
