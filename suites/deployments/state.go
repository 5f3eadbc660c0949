package deployments

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"assay/harness/host"
	"assay/suites/check"
)

// Booted is the host's status and its booted deployment.
func (h Host) Booted(ctx context.Context) (host.Status, host.Deployment, error) {
	s, err := h.Status(ctx)
	if err != nil {
		return s, host.Deployment{}, err
	}
	d, err := s.Booted()
	return s, d, err
}

// Pending wants tree, and nothing else, to boot next, and the booted deployment
// to be as it was before.
func (h Host) Pending(ctx context.Context, before host.Status, tree check.Tree) error {
	s, booted, err := h.Booted(ctx)
	if err != nil {
		return err
	}
	was, err := before.Booted()
	if err != nil {
		return err
	}
	next, ok := s.Pending()
	switch {
	case !ok:
		return check.FailWith(List(s), "%s says it is done, and no deployment is pending", h.Tool())
	case !Is(next, tree):
		return check.FailWith(List(s), "%s makes %s the next to boot, want %s", h.Tool(), Describe(next), DescribeTree(tree))
	case tree.Version != "" && next.Version != tree.Version:
		return check.FailWith(List(s), "%s tells version %q of the pending deployment, want %q", h.Tool(), next.Version, tree.Version)
	case waiting(s) != 1:
		return check.FailWith(List(s), "%s has %d deployments before the booted one, want one", h.Tool(), waiting(s))
	case base(booted) != base(was):
		return check.FailWith(List(s), "%s tells that %s is booted, without a reboot, want %s", h.Tool(), Describe(booted), Describe(was))
	}
	return nil
}

// waiting counts the deployments that come before the booted one.
func waiting(s host.Status) int {
	return max(0, slices.IndexFunc(s.Deployments, func(d host.Deployment) bool { return d.Booted }))
}

// Switched wants tree to be booted and first, and what was booted before to be
// the rollback.
func (h Host) Switched(ctx context.Context, before host.Status, tree check.Tree) (host.Deployment, error) {
	s, booted, err := h.Booted(ctx)
	if err != nil {
		return booted, err
	}
	was, err := before.Booted()
	if err != nil {
		return booted, err
	}
	back, ok := s.Rollback()
	switch {
	case !Is(booted, tree):
		return booted, check.FailWith(List(s), "the system booted %s after a reboot, want %s", Describe(booted), DescribeTree(tree))
	case tree.Version != "" && booted.Version != tree.Version:
		return booted, check.FailWith(List(s), "%s tells version %q of the booted deployment, want %q", h.Tool(), booted.Version, tree.Version)
	case waiting(s) != 0:
		return booted, check.FailWith(List(s), "%s has %d deployments before the booted one after a reboot, want none", h.Tool(), waiting(s))
	case !ok:
		return booted, check.FailWith(List(s), "%s tells of no deployment to roll back to, want %s", h.Tool(), Describe(was))
	case base(back) != base(was):
		return booted, check.FailWith(List(s), "the rollback is %s, want %s, which was booted before", Describe(back), Describe(was))
	case len(before.Deployments) == 1 && len(s.Deployments) != 2:
		return booted, check.FailWith(List(s), "%s has %d deployments, want the booted one and its rollback", h.Tool(), len(s.Deployments))
	}
	return booted, nil
}

// Unchanged wants the deployments to be as they were; after is what was tried.
func (h Host) Unchanged(ctx context.Context, before host.Status, after string) error {
	s, err := h.Status(ctx)
	if err != nil {
		return err
	}
	if len(s.Deployments) != len(before.Deployments) {
		return check.FailWith(List(s), "there are %d deployments after %s, and were %d before", len(s.Deployments), after, len(before.Deployments))
	}
	for i, d := range s.Deployments {
		if diff := d.Differences(before.Deployments[i]); len(diff) > 0 {
			return check.FailWith(List(s), "deployment %d (%s) changed by %s: %s", i, Describe(d), after, strings.Join(diff, "; "))
		}
	}
	return nil
}

// List is a status for people, as evidence: one deployment a line.
func List(s host.Status) string {
	var b strings.Builder
	for i, d := range s.Deployments {
		fmt.Fprintf(&b, "%d: %s", i, Describe(d))
		for _, f := range []struct {
			set  bool
			name string
		}{{d.Booted, "booted"}, {d.Pending, "pending"}, {d.Staged, "staged"}, {d.DownloadOnly, "download only"}, {d.Rollback, "rollback"}, {d.Pinned, "pinned"}} {
			if f.set {
				b.WriteString(", " + f.name)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Same reports whether two deployments are of one tree.
func Same(a, b host.Deployment) bool { return base(a) == base(b) }
