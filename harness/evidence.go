package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"assay/harness/guest"
)

// evidenceFiles are what is taken from a guest after a failure. Each is one
// constant command, its output bounded.
var evidenceFiles = []struct {
	name, kind, title string
	args              []string
}{
	{"journal.txt", "journal", "journal of every boot of the guest",
		[]string{"journalctl", "--no-pager", "--merge", "-o", "short-iso-precise", "-n", "50000"}},
	{"failed-units.txt", "file", "failed units and their last words",
		[]string{"sh", "-c", `systemctl --failed --no-pager --plain; for u in $(systemctl --failed --plain --no-legend | awk '{print $1}'); do systemctl status --no-pager --lines=30 "$u"; done`}},
	{"core-dumps.txt", "file", "core dumps",
		[]string{"sh", "-c", `command -v coredumpctl >/dev/null && coredumpctl --no-pager info | head -n 400`}},
}

// evidenceLimit bounds each file, in bytes.
const evidenceLimit = 16 << 20

// collect writes the evidence files of a guest into dir. What cannot be had is
// left out and logged by the caller's errors: a broken guest is why we are here.
func collect(ctx context.Context, g guest.Guest, dir string) error {
	var first error
	for _, f := range evidenceFiles {
		r, err := g.Run(ctx, guest.Command{Args: f.args, Limit: 30 * time.Second, MaxOutput: evidenceLimit})
		if err != nil {
			return fmt.Errorf("cannot collect %s: %w", f.name, err)
		}
		if r.Stdout == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), []byte(r.Stdout), 0o644); err != nil && first == nil {
			first = fmt.Errorf("cannot keep %s: %w", f.name, err)
		}
	}
	return first
}
