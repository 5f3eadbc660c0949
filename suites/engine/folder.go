package engine

import (
	"context"
	"fmt"
	"strings"

	"assay/suites/probe"
)

// Files makes a folder in the guest, readable for all, and fills it. The path
// is a constant of a check, below /var/lib.
func (e Engine) Files(ctx context.Context, folder string, files map[string]string) error {
	r, err := probe.Run(ctx, e.t, 0, `mkdir -p "$1" && chmod 0755 "$1"`, folder)
	if err != nil {
		return err
	}
	if !r.OK() {
		return fmt.Errorf("cannot make the folder %s: %s", folder, r.Said())
	}
	for name, content := range files {
		if err := e.t.WriteFile(ctx, folder+"/"+name, strings.NewReader(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
