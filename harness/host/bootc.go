package host

import (
	"context"
	"regexp"
	"strings"
)

// bootc is bootc.
type bootc struct{ lacking }

func (d bootc) As(user string) Driver { d.user = user; return d }

// Status asks with --json, which every version knows.
func (d bootc) Status(ctx context.Context) (Status, error) {
	args := []string{"bootc", "status", "--json"}
	r, err := d.ask(ctx, args...)
	if err != nil {
		return Status{}, err
	}
	if !r.OK() {
		return Status{}, d.refused(args, r)
	}
	return ParseBootc([]byte(r.Stdout))
}

func (d bootc) Upgrade(ctx context.Context, o UpgradeOptions) (Outcome, error) {
	switch {
	case o.Preview:
		return Outcome{}, d.lacks("upgrade --preview")
	case o.AllowDowngrade:
		return Outcome{}, d.lacks("upgrade --allow-downgrade")
	case len(o.Install)+len(o.Uninstall) > 0:
		return Outcome{}, d.lacks("upgrade --install")
	}
	return d.do(ctx, !o.Check, o.Reboot, flags("bootc upgrade", o.Check, "--check", o.DownloadOnly, "--download-only",
		o.FromDownloaded, "--from-downloaded", o.Reboot, "--apply", o.SoftReboot, "--soft-reboot=required")...)
}

func (d bootc) Rollback(ctx context.Context, o RollbackOptions) (Outcome, error) {
	return d.do(ctx, true, o.Reboot, flags("bootc rollback", o.Reboot, "--apply")...)
}

// Rebase is switch. A revision is part of the target, as a tag or digest.
func (d bootc) Rebase(ctx context.Context, o RebaseOptions) (Outcome, error) {
	if o.Revision != "" {
		return Outcome{}, d.lacks("switch to a revision")
	}
	if err := operands(o.Target); err != nil {
		return Outcome{}, err
	}
	args := flags("bootc switch", o.Reboot, "--apply")
	if o.Transport != "" && o.Transport != "registry" {
		args = append(args, "--transport="+o.Transport)
	}
	return d.do(ctx, true, o.Reboot, append(args, o.Target)...)
}

// Unlock is usr-overlay, which the next boot takes away.
func (d bootc) Unlock(ctx context.Context, o UnlockOptions) (Outcome, error) {
	if o.Hotfix || o.Transient {
		return Outcome{}, d.lacks("usr-overlay that stays")
	}
	return d.do(ctx, true, false, "bootc", "usr-overlay")
}

func (d bootc) do(ctx context.Context, changes, reboot bool, args ...string) (Outcome, error) {
	o, r, err := d.change(ctx, reboot, args...)
	if err != nil || o.Rebooting {
		return o, err
	}
	if !r.OK() {
		return o, d.failed(&o, r)
	}
	readBootc(&o, r.Stdout)
	o.Changed = changes && o.Reason == ""
	o.Rebooting = reboot && o.Changed
	return o, nil
}

var (
	bootcQueued  = regexp.MustCompile(`Queued for next boot: (\S+)`)
	bootcUpdate  = regexp.MustCompile(`Update available for: (\S+)`)
	bootcVersion = regexp.MustCompile(`(?m)^ +Version: (\S.*)$`)
	bootcDigest  = regexp.MustCompile(`(?m)^ +Digest: (\S+)`)
	// Without an image after it, "No changes in" is the whole answer; an image
	// that was fetched already may still be queued.
	bootcSame = regexp.MustCompile(`(?m)^No changes in:? \S`)
)

// readBootc reads what upgrade, switch and rollback say. Progress bars may
// stand before it on the same line.
func readBootc(o *Outcome, said string) {
	said = strings.ReplaceAll(said, "\r", "\n")
	rest := func(at []int) string { return said[at[1]:] }
	if at := bootcQueued.FindStringSubmatchIndex(said); at != nil {
		o.Queued = bootcName(said[at[2]:at[3]])
		o.Queued.Digest = submatch(bootcDigest, rest(at))
		return
	}
	if at := bootcUpdate.FindStringSubmatchIndex(said); at != nil {
		o.Update = &Update{Version: submatch(bootcVersion, rest(at)), Digest: submatch(bootcDigest, rest(at))}
		return
	}
	if o.Reason = nothingIn(said); o.Reason == "" && bootcSame.MatchString(said) {
		o.Reason = NoUpgrade
	}
}

// bootcName reads an image as bootc prints it: the transport is told unless it
// is a registry.
func bootcName(s string) *Image {
	s = strings.TrimPrefix(s, "docker://")
	for _, t := range []string{"oci", "oci-archive", "containers-storage", "docker-daemon", "dir"} {
		if name, ok := strings.CutPrefix(s, t+":"); ok {
			return &Image{Transport: t, Name: name}
		}
	}
	return &Image{Transport: "registry", Name: s}
}

func submatch(re *regexp.Regexp, s string) string {
	if m := re.FindStringSubmatch(s); m != nil {
		return strings.TrimSpace(m[1])
	}
	return ""
}
