package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestFlagsThatAreRefused: what a script with an unset variable would give must
// not choose everything, and numbers that nobody can mean are refused.
func TestFlagsThatAreRefused(t *testing.T) {
	t.Setenv("ASSAY_CACHE", filepath.Join(t.TempDir(), "cache"))
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, []byte("no image"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"suites", "--suite", ""}, {"suites", "--check", ""}, {"suites", "--label", ""}, {"suites", "--checks", ""},
		{"run", image, "--suite", ""}, {"run", image, "--label", "slow,"}, {"run", image, "--retry-failed", ""},
		{"run", image, "--parallel", "-1"}, {"run", image, "--retries", "-1"}, {"run", image, "--max-size", "-1"}, {"run", image, "--repeat", "1000000000"},
		{"run", image, "--connect", "bogus:///x"}, {"run", filepath.Join(t.TempDir(), "none")},
	} {
		root := newRootCommand()
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		root.SetArgs(args)
		if err := root.Execute(); statusOf(err) != exitUsage || err == nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestMissingFolders(t *testing.T) {
	dir := t.TempDir()
	want := []string{filepath.Join(dir, "a/b"), filepath.Join(dir, "a")}
	if got := missingFolders(filepath.Join(dir, "a/b/")); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := missingFolders(dir); len(got) != 0 {
		t.Errorf("%q is there", got)
	}
}
