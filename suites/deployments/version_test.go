package deployments_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/deployments/deploymentstest"
)

func TestTellsVersion(t *testing.T) {
	for _, c := range []struct {
		name, told string
		tools      []host.Tool
		change     func(d *host.Deployment)
		want       reports.Outcome
		says       string
	}{
		{"same", "1\n", []host.Tool{host.OSTree}, nil, reports.Passed, ""},
		{"quoted", "'1'\n", []host.Tool{host.RPMOSTree, host.OSTree}, nil, reports.Passed, ""},
		{"another", "0.9\n", []host.Tool{host.OSTree}, nil, reports.Failed, "is version 1, and the tree in it says OSTREE_VERSION=0.9"},
		{"a commit without one", "1\n", []host.Tool{host.OSTree}, func(d *host.Deployment) { d.Version = "" }, reports.Failed, "carries no version"},
		{"not told", "", []host.Tool{host.OSTree}, nil, reports.Skipped, "no OSTREE_VERSION"},
		{"an image", "0.9\n", []host.Tool{host.Bootc}, nil, reports.Skipped, "is a label"},
		{"no tool", "1\n", nil, nil, reports.Skipped, "no tool that manages"},
	} {
		g := guesttest.New(t)
		var env check.Env
		h := deploymentstest.New(t, g, &env, c.tools...)
		if c.change != nil {
			c.change(h.Booted())
		}
		g.On("sh", "-c", deployments.ReleaseScript, "sh").Prints(c.told)
		j := check.Classify(deployments.TellsVersion(t.Context(), &check.T{Guest: g, Env: env, Log: t.Logf}))
		if j.Outcome != c.want || !strings.Contains(j.Message, c.says) {
			t.Errorf("%s: %+v", c.name, j)
		}
	}
}

func TestReleaseScript(t *testing.T) {
	dir := t.TempDir()
	script := strings.NewReplacer("/usr/lib/", dir+"/usr-lib-", "/etc/", dir+"/etc-").Replace(deployments.ReleaseScript)
	run := func() string {
		out, err := exec.Command("sh", "-c", script).CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got := run(); got != "" {
		t.Errorf("without a file: %q", got)
	}
	for file, want := range map[string]string{"etc-os-release": "2\n", "usr-lib-os-release": "'1.2'\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte("ID=os\nVERSION_ID=9\nOSTREE_VERSION="+want), 0o644); err != nil {
			t.Fatal(err)
		}
		if file == "etc-os-release" {
			continue
		}
		if got := run(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
