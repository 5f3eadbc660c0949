package base

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "sshd-listening", Title: "SSH answers on port 22 and is enabled for the next boot", Run: sshdListening,
})

// sshUnitsScript prints the state of the units that may start an SSH server.
const sshUnitsScript = `command -v systemctl >/dev/null 2>&1 || exit 127
for u in sshd.service ssh.service sshd.socket ssh.socket dropbear.service; do
	echo "$u=$(systemctl is-enabled "$u" 2>/dev/null)"
done`

func sshdListening(ctx context.Context, t *check.T) error {
	banner, err := sshBanner(ctx, t)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(banner, "SSH-2.0-") {
		return check.Failf("port 22 answers %q, not as an SSH server", probe.OneLine(banner))
	}
	out, err := probe.Output(ctx, t, "systemctl", sshUnitsScript)
	if err != nil {
		return err
	}
	units := probe.Pairs(out)
	var seen []string
	for _, u := range []string{"sshd.service", "ssh.service", "sshd.socket", "ssh.socket", "dropbear.service"} {
		switch units[u] {
		case "enabled", "enabled-runtime", "alias", "static", "generated", "indirect":
			return nil
		case "", "not-found":
		default:
			seen = append(seen, u+" is "+units[u])
		}
	}
	if len(seen) == 0 {
		return check.Skipf("no SSH unit by a name that is known")
	}
	return check.Failf("SSH runs now and is not enabled for the next boot: %s", strings.Join(seen, ", "))
}

// bannerLimit bounds the first line: RFC 4253 allows 255 bytes, and other lines before it.
const bannerLimit = 1024

func sshBanner(ctx context.Context, t *check.T) (line string, err error) {
	conn, err := t.Dial(ctx, 22)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	line, err = bufio.NewReader(io.LimitReader(conn, bannerLimit)).ReadString('\n')
	if err != nil && ctx.Err() != nil {
		return "", check.Infraf("cannot read the SSH banner: %w", context.Cause(ctx))
	}
	if err != nil && line == "" {
		return "", check.Infraf("cannot read the SSH banner: %w", fmt.Errorf("the connection ended: %w", err))
	}
	return strings.TrimSpace(line), nil
}
