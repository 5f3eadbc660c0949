package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"assay/cloudinit"
)

const seedHelp = `Write the ISO image from which cloud-init configures a guest at its first boot,
from a seed file; or tell what such an image holds.

A seed file is one YAML mapping. instance_id and hostname are required; the rest
is users, root_authorized_keys, ssh_pwauth, host_keys, write_files, runcmd, scripts,
proof, network (Ethernet cards as in network configuration version 2),
cloud_config (further keys of cloud-config), parts and keep_default_user:

  instance_id: iid-demo-1
  hostname: demo
  users:
    - name: core
      groups: [wheel]
      sudo: ALL=(ALL) NOPASSWD:ALL
      ssh_authorized_keys: [ssh-ed25519 AAAA... me@laptop]
  runcmd:
    - [systemctl, enable, --now, chronyd]
  network:
    ethernets:
      eth0: {dhcp4: true}

The image holds every secret of the seed file and is readable by its owner only.`

func newSeedCommand() *cobra.Command {
	var o seedOptions
	c := &cobra.Command{
		Use:   "seed (FILE --output ISO | --check ISO)",
		Short: "Write a cloud-init seed image from a YAML file, or check one",
		Long:  seedHelp,
		Example: `  assay seed demo.yaml --output demo.iso
  assay seed demo.yaml --format config-drive --output demo.iso --force
  assay seed - --output demo.iso < demo.yaml
  assay seed --check demo.iso`,
		RunE: func(c *cobra.Command, args []string) error {
			if o.check != "" {
				return o.checkISO(c, args)
			}
			return o.writeISO(c, args)
		},
	}
	c.Flags().StringVarP(&o.output, "output", "o", "", "the ISO image to write")
	c.Flags().StringVar(&o.format, "format", string(cloudinit.NoCloud),
		fmt.Sprintf("%s (volume %s) or %s (volume %s, as OpenStack attaches it)",
			cloudinit.NoCloud, cloudinit.NoCloud.Label(), cloudinit.ConfigDrive, cloudinit.ConfigDrive.Label()))
	c.Flags().BoolVar(&o.force, "force", false, "replace the image when it is there already")
	c.Flags().StringVar(&o.check, "check", "", "list what this image holds and say what would keep cloud-init from using it")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(
		[]string{string(cloudinit.NoCloud), string(cloudinit.ConfigDrive)}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

type seedOptions struct {
	output, format, check string
	force                 bool
}

func (o *seedOptions) writeISO(c *cobra.Command, args []string) error {
	switch {
	case len(args) != 1:
		return usagef("want one seed file (or - for standard input); see `assay seed --help`")
	case o.output == "":
		return usagef("say where to write the image: --output ISO")
	}
	format, err := cloudinit.ParseFormat(o.format)
	if err != nil {
		return err
	}
	data, name, err := readSeedFile(c.Context(), c.InOrStdin(), args[0])
	if err != nil {
		return err
	}
	seed, err := cloudinit.Parse(data, name)
	if err != nil {
		return err
	}
	docs, err := seed.Documents(format)
	if err != nil {
		return err
	}
	// Raw parts of the seed file may be something that cloud-init cannot use.
	volume := &cloudinit.Volume{Label: format.Label(), Documents: docs}
	if err := volume.Check(); err != nil {
		return &cloudinit.InputError{File: name, Err: err}
	}
	if in, err := os.Stat(args[0]); err == nil {
		if out, err := os.Stat(o.output); err == nil && os.SameFile(in, out) {
			return usagef("cannot write seed %s: it is the seed file itself", o.output)
		}
	}
	err = seed.WriteISO(o.output, format, o.force)
	if errors.Is(err, cloudinit.ErrExists) {
		return usagef("%w; --force replaces it", err)
	}
	if errors.Is(err, cloudinit.ErrNotAFile) || errors.Is(err, os.ErrNotExist) {
		return &usageError{err}
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "wrote %s: %s seed of %s, %d files\n", o.output, format, seed.Hostname, len(docs))
	return err
}

func (o *seedOptions) checkISO(c *cobra.Command, args []string) error {
	if len(args) > 0 || o.output != "" || o.force {
		return usagef("--check takes nothing but the image; see `assay seed --help`")
	}
	volume, err := cloudinit.Open(o.check)
	if errors.Is(err, os.ErrNotExist) {
		return &usageError{err}
	}
	if err != nil {
		return err
	}
	kind := "no seed"
	if f, ok := volume.Format(); ok {
		kind = string(f) + " seed"
	}
	out := c.OutOrStdout()
	fmt.Fprintf(out, "%s: %s, volume %q\n", o.check, kind, volume.Label)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, d := range volume.Documents {
		fmt.Fprintf(w, "  %q\t%d bytes\t%s\n", d.Name, len(d.Data), d.Describe())
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("cannot write the list: %w", err)
	}
	if err := volume.Check(); err != nil {
		return &cloudinit.InputError{File: o.check, Err: err}
	}
	return nil
}

func readSeedFile(ctx context.Context, stdin io.Reader, name string) ([]byte, string, error) {
	in := stdin
	if name == "-" {
		name = "standard input"
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, name, usagef("cannot read the seed file: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	// One byte more than is taken, so that Parse sees that there is too much.
	type answer struct {
		data []byte
		err  error
	}
	read := make(chan answer, 1)
	go func() { // nothing ends a read of a terminal or a pipe
		data, err := io.ReadAll(io.LimitReader(in, cloudinit.MaxSeedFile+1))
		read <- answer{data, err}
	}()
	select {
	case a := <-read:
		if a.err != nil {
			return nil, name, usagef("cannot read the seed file: %w", a.err)
		}
		return a.data, name, nil
	case <-ctx.Done():
		return nil, name, context.Cause(ctx)
	}
}
