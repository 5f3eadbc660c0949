package base

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"assay/reports"
	"assay/suites/suitetest"
)

func TestLoginShells(t *testing.T) {
	suitetest.Run(t, "base/login-shells", []suitetest.Case{
		{Name: "all run", Guest: says(shellScript, "")},
		{Name: "no shell", Want: reports.Failed, Says: []string{"account root cannot log in: its shell /bin/zsh does not run"}, Guest: says(shellScript, "root /bin/zsh\n")},
		lacks(shellScript),
	})
}

func TestShellScript(t *testing.T) {
	dir := t.TempDir()
	accounts := "#!/bin/sh\ncat <<'EOF'\nroot:x:0:0:root:/root:/bin/nosuch\nsync:x:4:65534:sync:/bin:/bin/sync\nlocked:x:1000:1000::/:/usr/sbin/nologin\n" +
		"own:x:1001:1001::/:/bin/sh\nplain:x:1002:1002::/:\nodd:x:1003:1003::/:/bin/false2\nnobody:x:65534:65534::/:/bin/nosuch\nEOF\n"
	if err := os.WriteFile(filepath.Join(dir, "getent"), []byte(accounts), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", shellScript)
	cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	if want := "root /bin/nosuch\nodd /bin/false2\n"; err != nil || string(out) != want {
		t.Errorf("%q, %v, want %q", out, err, want)
	}
}
