package host

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRepositoriesAside(t *testing.T) {
	root := t.TempDir()
	in := func(script string) string { return strings.ReplaceAll(script, "/etc/", root+"/etc/") }
	repos := filepath.Join(root, "etc/yum.repos.d")
	if err := os.MkdirAll(repos, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fedora.repo", "with space.repo", "README", "assay.repo"} {
		if err := os.WriteFile(filepath.Join(repos, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	names := func() (all []string) {
		entries, err := os.ReadDir(repos)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			all = append(all, e.Name())
		}
		return all
	}
	for _, step := range []struct {
		script string
		want   []string
	}{
		{asideScript, []string{"README", "fedora.repo.assay-aside", "with space.repo.assay-aside"}},
		{asideScript, []string{"README", "fedora.repo.assay-aside", "with space.repo.assay-aside"}},
		{backScript, []string{"README", "fedora.repo", "with space.repo"}},
		{backScript, []string{"README", "fedora.repo", "with space.repo"}},
	} {
		if out, status := runScript(t, in(step.script), root, nil); status != 0 {
			t.Fatalf("status %d: %s", status, out)
		}
		if got := names(); !slices.Equal(got, step.want) {
			t.Errorf("the folder holds %q, want %q", got, step.want)
		}
	}
	// A host without the folder has none to set aside.
	if err := os.RemoveAll(repos); err != nil {
		t.Fatal(err)
	}
	if out, status := runScript(t, in(asideScript), root, nil); status != 0 {
		t.Errorf("status %d: %s", status, out)
	}
}
