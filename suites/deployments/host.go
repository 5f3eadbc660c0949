package deployments

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"assay/harness/host"
	"assay/reports"
	"assay/suites/check"
)

// Host is a guest as one of its tools manages it.
type Host struct {
	host.Driver
	t *check.T
}

// All are the guest's tools that upgrade it from what is served, in the order
// in which criteria prefer them. None is a skip.
func All(ctx context.Context, t *check.T) ([]Host, error) {
	found, err := host.Detect(ctx, t)
	if err != nil {
		return nil, err
	}
	follows, err := followed(ctx, t, found)
	if err != nil {
		return nil, err
	}
	var all []Host
	reason := "the image ships no tool that manages deployments"
	for _, d := range found.Drivers {
		if lack := lacking(t, d.Tool(), follows); lack != "" {
			reason = lack
			continue
		}
		all = append(all, Host{d, t})
	}
	if len(all) == 0 {
		return nil, check.Skipf("%s", reason)
	}
	return all, nil
}

// following is what the booted deployment follows.
type following struct {
	kind kind
	// whyNoOther says why an image cannot be exchanged for what is served.
	whyNoOther string
}

type kind int

const (
	ofUnknown kind = iota // there is no bootc to ask: it is no image
	ofRepository
	ofImage
)

// followed asks bootc what the booted deployment follows, as bootc's upgrades
// are for images and those of the others for a repository.
func followed(ctx context.Context, t *check.T, found host.Found) (following, error) {
	d, ok := found.Driver(host.Bootc)
	if !ok {
		return following{}, nil
	}
	s, err := d.Status(ctx)
	var refused *host.RefusedError
	if errors.As(err, &refused) {
		t.Log("bootc does not tell what the host follows: %v", refused)
		return following{}, nil
	}
	if err != nil {
		return following{}, err
	}
	booted, err := s.Booted()
	switch {
	case errors.Is(err, host.ErrNotBooted):
		return following{}, nil
	case err != nil:
		return following{}, err
	case booted.Image == nil:
		return following{kind: ofRepository}, nil
	}
	f := following{kind: ofImage}
	if t.Env.Trees != nil && t.Env.Trees.NewerImage != "" {
		f.whyNoOther = host.WhyNoOther(*booted.Image)
	}
	return f, nil
}

// lacking says why a tool does not upgrade the host from what is served; empty
// when it does.
func lacking(t *check.T, tool host.Tool, follows following) string {
	switch {
	case tool != host.Bootc && follows.kind == ofImage:
		return fmt.Sprintf("the host follows a container image, which bootc upgrades and not %s", tool)
	case tool == host.Bootc && follows.kind == ofRepository:
		return "the host follows an ostree repository and no container image, as bootc does"
	case tool == host.Bootc && (t.Env.Trees == nil || t.Env.Trees.NewerImage == ""):
		lack := "bootc follows container images, and the update is served as none"
		if t.Env.Trees != nil && t.Env.Trees.NoImages != "" {
			lack += ": " + t.Env.Trees.NoImages
		}
		return lack
	case tool == host.Bootc && follows.whyNoOther != "":
		return "the host cannot be given the update that is served: " + follows.whyNoOther
	}
	return ""
}

// By is the host as that tool manages it, whatever it follows; a skip where the
// guest lacks the tool.
func By(ctx context.Context, t *check.T, tool host.Tool) (Host, error) {
	h, _, err := by(ctx, t, tool)
	return h, err
}

func by(ctx context.Context, t *check.T, tool host.Tool) (Host, host.Found, error) {
	found, err := host.Detect(ctx, t)
	if err != nil {
		return Host{}, found, err
	}
	d, ok := found.Driver(tool)
	if !ok {
		return Host{}, found, check.Skipf("the image ships no %s", tool)
	}
	return Host{d, t}, found, nil
}

// upgradedBy is By for a tool that upgrades the host from what is served, else
// a skip.
func upgradedBy(ctx context.Context, t *check.T, tool host.Tool) (Host, error) {
	h, found, err := by(ctx, t, tool)
	if err != nil {
		return h, err
	}
	follows, err := followed(ctx, t, found)
	if err != nil {
		return Host{}, err
	}
	if lack := lacking(t, tool, follows); lack != "" {
		return Host{}, check.Skipf("%s", lack)
	}
	return h, nil
}

// Preferred is the host as its first tool manages it.
func Preferred(ctx context.Context, t *check.T) (Host, error) {
	all, err := All(ctx, t)
	if err != nil {
		return Host{}, err
	}
	return all[0], nil
}

// Each asks the question of every tool of the guest. The first failure is the
// answer; when all skip, that is the answer; a tool that skips beside one that
// passes is noted.
func Each(ctx context.Context, t *check.T, ask func(ctx context.Context, h Host) error) error {
	all, err := All(ctx, t)
	if err != nil {
		return err
	}
	var skips []string
	for _, h := range all {
		err := Judge(ask(ctx, h))
		switch j := check.Classify(err); j.Outcome {
		case reports.Passed:
		case reports.Skipped:
			skips = append(skips, fmt.Sprintf("%s: %s", h.Tool(), j.Message))
		default:
			return err
		}
	}
	if len(skips) == len(all) {
		return check.Skipf("%s", strings.Join(skips, "; "))
	}
	for _, s := range skips {
		t.Log("not asked of %s", s)
	}
	return nil
}

// PerTool is one check for each of the tools, all of them when none is named.
// The check's name is c.Name and the tool's, its title c.Title with %s for the
// tool.
func PerTool(c check.Check, run func(ctx context.Context, t *check.T, h Host) error, tools ...host.Tool) []check.Check {
	if len(tools) == 0 {
		tools = host.Tools
	}
	var out []check.Check
	for _, tool := range tools {
		one := c
		one.Tools = []host.Tool{tool}
		one.Name = ID(tool)
		if c.Name != "" {
			one.Name = c.Name + "-" + one.Name
		}
		one.Title = fmt.Sprintf(c.Title, tool)
		one.Run = func(ctx context.Context, t *check.T) error {
			h, err := upgradedBy(ctx, t, tool)
			if err != nil {
				return err
			}
			return Judge(run(ctx, t, h))
		}
		out = append(out, one)
	}
	return out
}

// With is a check's function that asks the host's preferred tool.
func With(run func(ctx context.Context, t *check.T, h Host) error) func(ctx context.Context, t *check.T) error {
	return func(ctx context.Context, t *check.T) error {
		h, err := Preferred(ctx, t)
		if err != nil {
			return err
		}
		return Judge(run(ctx, t, h))
	}
}

// FromRepo is With for the first tool that upgrades from an ostree repository.
func FromRepo(run func(ctx context.Context, t *check.T, h Host) error) func(ctx context.Context, t *check.T) error {
	return func(ctx context.Context, t *check.T) error {
		all, err := All(ctx, t)
		if err != nil {
			return err
		}
		for _, h := range all {
			if h.Tool() != host.Bootc {
				return Judge(run(ctx, t, h))
			}
		}
		return check.Skipf("no tool of the image upgrades from an ostree repository")
	}
}

// ForEach is a check's function that asks every tool, as Each does.
func ForEach(run func(ctx context.Context, t *check.T, h Host) error) func(ctx context.Context, t *check.T) error {
	return func(ctx context.Context, t *check.T) error {
		return Each(ctx, t, func(ctx context.Context, h Host) error { return run(ctx, t, h) })
	}
}

// ID is a tool's name in a check's id.
func ID(t host.Tool) string {
	if t == host.OSTree {
		return "ostree"
	}
	return strings.ReplaceAll(string(t), " ", "-")
}
