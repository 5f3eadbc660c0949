package cloudinit

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

// proofLimit is much more than any proof holds.
const proofLimit = 4 << 10

// part is a part of the seed that leaves a proof.
type part struct {
	proof check.Proof
	// name of the part, and what an absent proof says of it.
	name, undone string
	// log prints what the logs say of it.
	log string
}

// proven wants the proof that a part of the seed leaves.
func proven(ctx context.Context, t *check.T, p part) error {
	if p.proof.Path == "" {
		return check.Skipf("the seed has no %s", p.name)
	}
	if _, err := probe.Output(ctx, t, "cloud-init", need+"exit 0"); err != nil {
		return err
	}
	b, err := t.ReadFile(ctx, p.proof.Path, proofLimit)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if got := strings.TrimSpace(string(b)); err == nil && got == strings.TrimSpace(p.proof.Text) {
		return nil
	}
	log, lerr := probe.Output(ctx, t, "sh", p.log)
	if lerr != nil {
		return lerr
	}
	if err != nil {
		return check.FailWith(log, "%s: it left no %s", p.undone, p.proof.Path)
	}
	return check.FailWith(log, "the %s left %q in %s, not the seed's %q", p.name, probe.OneLine(string(b)), p.proof.Path, p.proof.Text)
}
