package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"assay/cloudinit"
	"assay/harness"
	"assay/harness/disk"
	"assay/reports"
	"assay/reports/known"
)

func TestExitStatus(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("boom"), 1},
		{usagef("no image"), 2},
		{fmt.Errorf("x: %w", &disk.InputError{Path: "i", Problem: "is empty"}), 2},
		{fmt.Errorf("x: %w", &cloudinit.InputError{Err: errors.New("x")}), 2},
		{&known.Error{}, 2},
		{&reports.FormatError{}, 2},
		{&reports.VersionError{}, 2},
		{exitError(3), 3},
		{&harness.InfraError{Err: errors.New("libvirtd is not running")}, 4},
		{&harness.ImageError{Err: errors.New("no loader")}, 3},
	} {
		var said bytes.Buffer
		if got := report(&said, c.err, t.Context()); got != c.want {
			t.Errorf("%v: status %d, want %d", c.err, got, c.want)
		}
		var asked exitError
		if wantWords := c.err != nil && !errors.As(c.err, &asked); wantWords != (said.Len() > 0) {
			t.Errorf("%v: said %q", c.err, said.String())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var said bytes.Buffer
	if got := report(&said, context.Canceled, ctx); got != 130 || !strings.Contains(said.String(), "interrupted") {
		t.Errorf("an interrupted run: status %d, said %q", got, said.String())
	}
	said.Reset()
	err := errors.Join(context.Canceled, &harness.LeftoverError{Err: errors.New("1 guests could not be taken down")})
	if report(&said, err, ctx); strings.Contains(said.String(), "nothing was left") || !strings.Contains(said.String(), "1 guests") {
		t.Errorf("an interrupted run that left a guest said %q", said.String())
	}
}

func TestVerdictStatus(t *testing.T) {
	for v, want := range map[reports.Verdict]int{reports.Accepted: 0, reports.Rejected: 3, reports.Undecided: 4, "": 4, "maybe": 4} {
		if got := verdictStatus(v); got != want {
			t.Errorf("%q: %d, want %d", v, got, want)
		}
	}
	if worse(exitRejected, exitUsage) != exitUsage || worse(exitInternal, exitUsage) != exitInternal {
		t.Error("an image that cannot be judged counts more than a rejected one")
	}
	if worse(exitUndecided, exitRejected) != exitRejected || worse(exitUndecided, exitOK) != exitUndecided || worse(exitOK, exitOK) != exitOK {
		t.Error("of several images the worst must count")
	}
}
