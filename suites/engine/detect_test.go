package engine

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestDetectScript plays what is called docker on hosts.
func TestDetectScript(t *testing.T) {
	const (
		unit    = "#!/bin/sh\n[ \"$4\" = docker.service ] || [ \"$3\" = docker.service ] && echo LoadState=loaded || echo LoadState=not-found\n"
		no      = "#!/bin/sh\necho LoadState=not-found\n"
		program = "\x7fELF"
	)
	for name, c := range map[string]struct {
		programs map[string]string
		want     string
	}{
		"nothing":                     {map[string]string{"systemctl": no}, ""},
		"podman":                      {map[string]string{"systemctl": no, "podman": program}, "podman\n"},
		"docker":                      {map[string]string{"systemctl": unit, "docker": program}, "docker\n"},
		"both":                        {map[string]string{"systemctl": unit, "podman": program, "docker": program}, "podman\ndocker\n"},
		"podman under docker's name":  {map[string]string{"systemctl": no, "podman": program, "docker": "#!/usr/bin/sh\nexec /usr/bin/podman \"$@\"\n"}, "podman\n"},
		"Atomic Host's docker":        {map[string]string{"systemctl": unit, "docker": "#!/bin/sh\n. /etc/sysconfig/docker\nexec ${DOCKERBINARY:-/usr/bin/docker-current} \"$@\"\n"}, "docker\n"},
		"a client alone":              {map[string]string{"systemctl": no, "docker": program}, ""},
		"a daemon that no unit names": {map[string]string{"systemctl": no, "docker": program, "dockerd": program}, "docker\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, tool := range []string{"sh", "head", "grep"} {
				real, err := exec.LookPath(tool)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(real, filepath.Join(dir, tool)); err != nil {
					t.Fatal(err)
				}
			}
			for p, text := range c.programs {
				if err := os.WriteFile(filepath.Join(dir, p), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(filepath.Join(dir, "sh"), "-c", DetectScript)
			cmd.Env = []string{"PATH=" + dir}
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != c.want {
				t.Errorf("%q, %v, want %q", out, err, c.want)
			}
		})
	}
}
