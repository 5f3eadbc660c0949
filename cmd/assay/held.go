package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"al.essio.dev/pkg/shellescape"

	"assay/harness"
)

// sshArgs are the arguments with which ssh enters a held guest. Its
// connection goes through `assay dial`, as guests have no port on this host.
func sshArgs(h harness.Held) ([]string, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	proxy := shellescape.QuoteCommand([]string{exe, "dial", h.Socket, "22"})
	return []string{
		"-i", h.KeyFile, "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile=" + h.KnownHosts, "-o", "HostKeyAlias=" + h.Guest,
		"-o", "StrictHostKeyChecking=yes", "-o", "ProxyCommand=" + strings.ReplaceAll(proxy, "%", "%%"), h.User + "@" + h.Guest,
	}, nil
}

// explainHeld says how to get into a held guest.
func explainHeld(w io.Writer, h harness.Held) {
	args, err := sshArgs(h)
	if err != nil {
		fmt.Fprintf(w, "cannot say how to enter guest %s: %v\n", h.Guest, err)
		return
	}
	if len(h.Failed) > 0 {
		fmt.Fprintf(w, "failed in guest %s: %s\n", h.Guest, strings.Join(h.Failed, ", "))
	}
	fmt.Fprintf(w, "guest %s is kept until Ctrl-C; enter it with\n  %s\n", h.Guest, shellescape.QuoteCommand(append([]string{"ssh"}, args...)))
}

// shellInto opens an interactive shell in a held guest and returns when it ends.
func shellInto(ctx context.Context, h harness.Held) {
	args, err := sshArgs(h)
	if err != nil {
		fmt.Fprintf(os.Stderr, "cannot open a shell in guest %s: %v\n", h.Guest, err)
		return
	}
	if len(h.Failed) > 0 {
		fmt.Fprintf(os.Stderr, "failed in guest %s: %s\n", h.Guest, strings.Join(h.Failed, ", "))
	}
	fmt.Fprintf(os.Stderr, "a shell in guest %s; sudo works without a password; leave it to go on\n", h.Guest)
	cmd := exec.CommandContext(ctx, "ssh", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "the shell in guest %s ended: %v\n", h.Guest, err)
	}
}
