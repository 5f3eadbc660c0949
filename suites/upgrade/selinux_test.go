package upgrade

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/harness/guest"
	"assay/reports"
	"assay/suites/check"
	dt "assay/suites/deployments/deploymentstest"
	"assay/suites/suitetest"
)

func TestSELinux(t *testing.T) {
	const avc = "AVC avc:  denied  { read } for  pid=7 comm=\"sshd\" scontext=system_u:system_r:sshd_t:s0 tcontext=system_u:object_r:var_t:s0 tclass=file"
	under := func(out string, messages ...string) dt.Guest {
		return dt.Lived(t, dt.Fedora, func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", selinuxScript, "sh").Prints(out)
			var entries []guest.Entry
			for _, m := range messages {
				entries = append(entries, guest.Entry{Ident: "audit", Message: m})
			}
			h.Logs(entries...)
		})
	}
	const enforcing = "mode=Enforcing\nconfigured=enforcing\n"
	suitetest.Run(t, "upgrade/selinux", []suitetest.Case{
		{Name: "quiet", Guest: under(enforcing)},
		{Name: "permissive domain", Guest: under(enforcing, avc+" permissive=1")},
		{Name: "denied", Want: reports.Failed, Says: []string{"after an upgrade SELinux denied 1 things", `comm="sshd"`}, Guest: under(enforcing, avc+" permissive=0")},
		{Name: "off", Want: reports.Failed, Says: []string{"SELinux is Disabled after an upgrade, and its configuration says enforcing"}, Guest: under("mode=Disabled\nconfigured=enforcing\n")},
		{Name: "off on purpose", Want: reports.Skipped, Guest: under("mode=Disabled\nconfigured=disabled\n")},
		{Name: "configuration lost", Want: reports.Failed, Says: []string{"no /etc/selinux/config", "SELinux is Disabled"}, Guest: under("noconfig=1\nmode=Disabled\n")},
		{Name: "no policy", Want: reports.Skipped, Says: []string{"ships no SELinux policy"}, Guest: dt.Lived(t, dt.Plain, func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", selinuxScript, "sh").Exits(127)
		})},
	})
}

// A policy without its configuration is told; neither of them is no SELinux.
func TestSELinuxScript(t *testing.T) {
	dir := t.TempDir()
	script := strings.NewReplacer("/etc/selinux", dir+"/etc/selinux", "/usr/etc/selinux", dir+"/usr/etc/selinux", "getenforce", "echo Enforcing").Replace(selinuxScript)
	for _, step := range []struct {
		add, want string
		exit      int
	}{
		{"etc/selinux/semanage.conf", "", 127},
		{"usr/etc/selinux/targeted/policy/policy.33", "noconfig=1\nmode=Enforcing\n", 0},
		{"etc/selinux/config", "mode=Enforcing\nconfigured=enforcing\n", 0},
	} {
		at := filepath.Join(dir, step.add)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte("SELINUX=enforcing\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-c", script)
		out, _ := cmd.Output()
		if string(out) != step.want || cmd.ProcessState.ExitCode() != step.exit {
			t.Errorf("with %s: status %d, %q; want %d, %q", step.add, cmd.ProcessState.ExitCode(), out, step.exit, step.want)
		}
	}
}

func TestKeepsSELinux(t *testing.T) {
	with := func(set, look string, changes ...dt.Change) dt.Guest {
		return dt.Fresh(t, dt.Fedora, append([]dt.Change{func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", setPolicyScript, "sh", ownBoolean, ownFolder, ownType).Prints(set)
			h.On("sh", "-c", lookPolicyScript, "sh", ownBoolean, ownFolder).Prints(look)
		}}, changes...)...)
	}
	const kept = "boolean=on\nlabel=system_u:object_r:httpd_sys_content_t:s0\n"
	suitetest.Run(t, "upgrade/keeps-selinux", []suitetest.Case{
		{Name: "kept", Guest: with("label=1\n", kept)},
		{Name: "no semanage", Guest: with("", "boolean=on\nlabel=system_u:object_r:var_t:s0\n")},
		{Name: "boolean lost", Want: reports.Failed, Says: []string{`daemons_dump_core was set with -P before an upgrade and is "off"`}, Guest: with("", "boolean=off\n")},
		{Name: "label lost", Want: reports.Failed, Says: []string{"is to have \"system_u:object_r:var_t:s0\" after it"}, Guest: with("label=1\n", "boolean=on\nlabel=system_u:object_r:var_t:s0\n")},
		{Name: "upgrade refused", Want: reports.Failed, Says: []string{"error: no"}, Guest: with("label=1\n", kept, dt.Refuse(dt.Upgrade, "no"))},
		{Name: "cannot be set", Want: reports.Failed, Says: []string{"cannot be changed: libsemanage"}, Guest: dt.Fresh(t, dt.Fedora, func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", setPolicyScript, "sh", ownBoolean, ownFolder, ownType).Exits(1).Says("libsemanage.x: no\n")
		})},
		{Name: "no SELinux", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Plain, func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", setPolicyScript, "sh", ownBoolean, ownFolder, ownType).Exits(127)
		})},
		{Name: "no trees", Want: reports.Skipped, Guest: dt.Fresh(t, dt.Fedora, dt.NoTrees)},
	})
	for _, s := range []string{selinuxScript, setPolicyScript, lookPolicyScript} {
		if out, err := exec.Command("sh", "-n", "-c", s).CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, s)
		}
	}
}
