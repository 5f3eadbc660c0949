// Package examples has modules of their own, as users of Assay write them; its
// test sees to it that they keep building.
package examples

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestOwnSuite vets the example and runs its tests as another module: with what
// is in the module cache, and a go.mod that go may complete without touching ours.
func TestOwnSuite(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("own-suite/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(mod, []byte("=> ../..\n")) {
		t.Fatal("the example's go.mod does not point to this module")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "go.mod")
	for path, content := range map[string][]byte{
		file:                         bytes.Replace(mod, []byte("=> ../..\n"), []byte("=> "+root+"\n"), 1),
		filepath.Join(dir, "go.sum"): sum,
	} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range []string{"vet", "test"} {
		cmd := exec.CommandContext(t.Context(), "go", command, "-mod=mod", "-modfile="+file, "./...")
		cmd.Dir = "own-suite"
		cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("go %s: %v\n%s", command, err, out)
		}
	}
}
