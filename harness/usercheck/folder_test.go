package usercheck

import (
	"os"
	"path/filepath"
	"testing"
)

// folder makes a folder with these files; a name that ends in "*" is executable,
// one that ends in "/" is a folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		mode := os.FileMode(0o644)
		if n := len(name) - 1; name[n] == '*' {
			name, mode = name[:n], 0o755
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if name[len(name)-1] == '/' {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// script is a check with these lines in its header.
func script(lines ...string) string {
	text := "#!/bin/sh\n# assay:\n#   title: the thing works\n"
	for _, l := range lines {
		text += "#   " + l + "\n"
	}
	return text + "\necho done\n"
}
