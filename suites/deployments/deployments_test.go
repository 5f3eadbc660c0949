package deployments

import (
	"errors"
	"testing"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/reports"
	"assay/suites/check"
)

func TestJudge(t *testing.T) {
	refused := func(r host.Reason) error {
		return &host.RefusedError{Tool: host.OSTree, Args: []string{"ostree"}, Reason: r, Result: guest.Result{Exit: 1, Stderr: "error: no"}}
	}
	for name, c := range map[string]struct {
		err     error
		outcome reports.Outcome
		fault   reports.Fault
	}{
		"nothing":     {nil, reports.Passed, ""},
		"refused":     {refused(host.NoSpace), reports.Failed, reports.FaultImage},
		"busy":        {refused(host.Busy), reports.Errored, reports.FaultInfra},
		"unreachable": {refused(host.Unreachable), reports.Errored, reports.FaultInfra},
		"lacking":     {&host.UnsupportedError{Tool: host.OSTree, Operation: "deploy"}, reports.Skipped, ""},
		"not booted":  {host.ErrNotBooted, reports.Failed, reports.FaultImage},
		"lost":        {&guest.TransportError{Err: errors.New("gone")}, reports.Errored, reports.FaultInfra},
		"judged":      {check.Failf("so"), reports.Failed, reports.FaultImage},
		"other":       {errors.New("cannot read"), reports.Errored, reports.FaultTest},
	} {
		if j := check.Classify(Judge(c.err)); j.Outcome != c.outcome || j.Fault != c.fault {
			t.Errorf("%s: %s, fault %q, want %s, %q", name, j.Outcome, j.Fault, c.outcome, c.fault)
		}
	}
	h := Host{Driver: host.New(host.OSTree, nil)}
	for name, c := range map[string]struct {
		err     error
		outcome reports.Outcome
	}{
		"the right reason": {refused(host.Older), reports.Passed},
		"another reason":   {refused(host.NoSpace), reports.Failed},
		"no refusal":       {nil, reports.Failed},
		"busy":             {refused(host.Busy), reports.Errored},
		"lost":             {&guest.TransportError{Err: errors.New("gone")}, reports.Errored},
	} {
		if j := check.Classify(h.Refused(c.err, "go back in time", host.Older)); j.Outcome != c.outcome {
			t.Errorf("%s: %s, want %s", name, j.Outcome, c.outcome)
		}
	}
	if err := h.Refused(refused(""), "do anything"); err != nil {
		t.Errorf("any reason will do: %v", err)
	}
}

func TestImageNames(t *testing.T) {
	for image, want := range map[string][2]string{
		"quay.io/os:41":          {"quay.io/os", "41"},
		"localhost:5000/os":      {"localhost:5000/os", ""},
		"localhost:5000/os:a":    {"localhost:5000/os", "a"},
		"quay.io/os:41@sha256:0": {"quay.io/os", ""},
	} {
		if repository(image) != want[0] || want[1] != "" && tag(image) != want[1] {
			t.Errorf("%s: %q, %q", image, repository(image), tag(image))
		}
	}
}

func TestIs(t *testing.T) {
	commit := check.Tree{Commit: hosttest.Sum('a'), Version: "1"}
	for name, c := range map[string]struct {
		d    host.Deployment
		tree check.Tree
		want bool
	}{
		"commit":          {host.Deployment{Checksum: hosttest.Sum('a')}, commit, true},
		"cut short":       {host.Deployment{Checksum: hosttest.Sum('a')[:10]}, commit, true},
		"layered":         {host.Deployment{Checksum: hosttest.Sum('b'), BaseChecksum: hosttest.Sum('a')}, commit, true},
		"other commit":    {host.Deployment{Checksum: hosttest.Sum('b'), Version: "1"}, commit, false},
		"image":           {host.Deployment{Checksum: hosttest.Sum('b'), Version: "1", Image: &host.Image{}}, commit, true},
		"other image":     {host.Deployment{Checksum: hosttest.Sum('a'), Version: "2", Image: &host.Image{}}, commit, false},
		"digest":          {host.Deployment{Version: "9", Image: &host.Image{Digest: "sha256:1"}}, check.Tree{Version: "9", Digest: "sha256:1"}, true},
		"other digest":    {host.Deployment{Version: "9", Image: &host.Image{Digest: "sha256:1"}}, check.Tree{Version: "9", Digest: "sha256:2"}, false},
		"digest not told": {host.Deployment{Version: "9", Image: &host.Image{}}, check.Tree{Version: "9", Digest: "sha256:2"}, true},
		"version alone":   {host.Deployment{Checksum: hosttest.Sum('b'), Version: "1"}, check.Tree{Version: "1"}, true},
		"another of two":  {host.Deployment{Version: "2"}, check.Tree{Version: "1"}, false},
	} {
		if Is(c.d, c.tree) != c.want {
			t.Errorf("%s: want %t", name, c.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	for want, tree := range map[string]check.Tree{"1 (aaaaaaaaaaaa)": {Version: "1", Commit: hosttest.Sum('a')}, "aaaaaaaaaaaa": {Commit: hosttest.Sum('a')}, "1": {Version: "1"}} {
		if got := DescribeTree(tree); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	s := host.Status{Deployments: []host.Deployment{{Checksum: hosttest.Sum('a'), Staged: true, Pending: true}, {Version: "1", Checksum: hosttest.Sum('b'), Booted: true, Pinned: true}}}
	if got, want := List(s), "0: aaaaaaaaaaaa, pending, staged\n1: 1 (bbbbbbbbbbbb), booted, pinned\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
