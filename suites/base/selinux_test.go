package base

import (
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

const enforcing = "mode=Enforcing\nconfigured=enforcing\n"

var disabled = suitetest.Case{Name: "disabled", Want: reports.Skipped, Says: []string{"disabled"}, Guest: says(selinuxScript, "mode=Disabled\n")}

func underSELinux(script, out string, logs ...guest.Entry) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, e *check.Env) {
		says(selinuxScript, enforcing)(g, e)
		says(script, out)(g, e)
		g.Logs(logs...)
	}
}

func TestSELinuxEnforcing(t *testing.T) {
	suitetest.Run(t, "base/selinux-enforcing", []suitetest.Case{
		{Name: "on", Guest: says(selinuxScript, enforcing)},
		{Name: "permissive", Want: reports.Failed, Says: []string{"Permissive", "SELINUX=permissive"}, Guest: says(selinuxScript, "mode=Permissive\nconfigured=permissive\n")},
		{Name: "by argument", Want: reports.Failed, Says: []string{"enforcing=0"}, Guest: says(selinuxScript, "mode=Permissive\nconfigured=enforcing\nenforcing=0\n")},
		{Name: "off", Want: reports.Failed, Says: []string{"selinux=0"}, Guest: says(selinuxScript, "mode=Disabled\nconfigured=enforcing\nselinux=0\n")},
		{Name: "no configuration", Want: reports.Failed, Says: []string{"SELinux is Disabled", "no /etc/selinux/config"}, Guest: says(selinuxScript, "noconfig=1\nmode=Disabled\n")},
		{Name: "not for long", Want: reports.Failed, Says: []string{"after a reboot"}, Guest: says(selinuxScript, "mode=Enforcing\nconfigured=permissive\n")},
		lacks(selinuxScript),
	})
}

func TestSELinuxDenials(t *testing.T) {
	const avc = `AVC avc:  denied  { create } for  pid=27960 comm="mongod" scontext=system_u:system_r:mongod_t:s0 tcontext=system_u:system_r:mongod_t:s0 tclass=unix_dgram_socket`
	suitetest.Run(t, "base/selinux-denials", []suitetest.Case{
		{Name: "none", Guest: underSELinux(auditScript, "")},
		{Name: "journal", Want: reports.Failed, Says: []string{"mongod_t { create } on unix_dgram_socket of mongod_t", "mongod"}, Shows: []string{"27960"},
			Guest: underSELinux(auditScript, "", guest.Entry{Message: avc})},
		{Name: "permissive domain", Guest: underSELinux(auditScript, "", guest.Entry{Message: avc + " permissive=1"})},
		{Name: "denied in an enforcing domain", Want: reports.Failed, Guest: underSELinux(auditScript, "", guest.Entry{Message: avc + " permissive=0"})},
		{Name: "audit log", Want: reports.Failed, Says: []string{"mongod_t"}, Guest: underSELinux(auditScript, "type=AVC "+avc+"\n")},
		disabled, lacks(selinuxScript),
	})
}

func TestSELinuxLabels(t *testing.T) {
	const good = "file system_u:object_r:passwd_file_t:s0 /etc/passwd\nprocess system_u:system_r:sshd_t:s0-s0:c0.c1023 sshd\nprocess unconfined_u:unconfined_r:unconfined_t:s0 sshd\nprocess system_u:system_r:kernel_t:s0 kthreadd\n"
	const ended = "ended 0\n"
	suitetest.Run(t, "base/selinux-labels", []suitetest.Case{
		{Name: "good", Guest: underSELinux(labelScript, good+ended)},
		{Name: "a file went away meanwhile", Guest: underSELinux(labelScript, good+"ended 1\n")},
		{Name: "find knows no labels", Want: reports.Skipped, Says: []string{"find cannot look for labels"}, Guest: underSELinux(labelScript, good+"unable\n")},
		{Name: "find knows no labels, file", Want: reports.Failed, Says: []string{"/etc/shadow is etc_t"}, Guest: underSELinux(labelScript, "file system_u:object_r:etc_t:s0 /etc/shadow\nunable\n")},
		{Name: "find killed", Want: reports.Errored, Fault: reports.FaultInfra, Says: []string{"ended 137"}, Guest: underSELinux(labelScript, good+"ended 137\n")},
		{Name: "all killed", Want: reports.Errored, Fault: reports.FaultInfra, Guest: underSELinux(labelScript, good)},
		{Name: "file", Want: reports.Failed, Says: []string{"/etc/shadow is etc_t, not shadow_t"}, Guest: underSELinux(labelScript, "file system_u:object_r:etc_t:s0 /etc/shadow\n"+ended)},
		{Name: "process", Want: reports.Failed, Says: []string{"NetworkManager runs as init_t"}, Guest: underSELinux(labelScript, "process system_u:system_r:init_t:s0 NetworkManager\n"+ended)},
		{Name: "unlabelled", Want: reports.Failed, Says: []string{"/var/x has no label"}, Guest: underSELinux(labelScript, "unlabelled system_u:object_r:unlabeled_t:s0 /var/x\n"+ended)},
		disabled,
	})
}

func TestSELinuxRelabel(t *testing.T) {
	exits := func(status int, said string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, e *check.Env) {
			says(selinuxScript, enforcing)(g, e)
			g.On("sh", "-c", relabelScript, guesttest.Rest).Exits(status).Says(said)
		}
	}
	suitetest.Run(t, "base/selinux-relabel", []suitetest.Case{
		{Name: "nothing", Guest: underSELinux(relabelScript, "ended 0\n")},
		{Name: "single files were not to be had", Guest: underSELinux(relabelScript, "ended 255\n")},
		{Name: "killed", Want: reports.Errored, Fault: reports.FaultInfra, Guest: underSELinux(relabelScript, "ended 137\n")},
		{Name: "all killed", Want: reports.Errored, Fault: reports.FaultInfra, Guest: underSELinux(relabelScript, "")},
		{Name: "something", Want: reports.Failed, Says: []string{"1 files", "Would relabel /etc/fstab"}, Guest: underSELinux(relabelScript, "Would relabel /etc/fstab from a to b\nended 0\n")},
		{Name: "no tool", Want: reports.Skipped, Says: []string{"ships no restorecon"}, Guest: exits(127, "")},
		{Name: "old tool", Want: reports.Skipped, Says: []string{"invalid option -- 'e'"}, Guest: exits(127, "restorecon: invalid option -- 'e'\n")},
		{Name: "broken tool", Want: reports.Failed, Says: []string{"cannot tell the label", "file_contexts"}, Guest: exits(1, "restorecon: file_contexts: Invalid argument\n")},
		disabled,
	})
}

func TestSELinuxPolicy(t *testing.T) {
	suitetest.Run(t, "base/selinux-policy-unmodified", []suitetest.Case{
		{Name: "same", Guest: underSELinux(configDiffScript, "M    passwd\nM    selinux/config\n")},
		{Name: "changed", Want: reports.Failed, Says: []string{"/etc/selinux/targeted/policy/policy.33"}, Guest: underSELinux(configDiffScript, "M    selinux/targeted/policy/policy.33\n")},
		disabled,
	})
}

func TestSELinuxBoolean(t *testing.T) {
	with := func(after string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, e *check.Env) {
			underSELinux(setBooleanScript, "")(g, e)
			says(getBooleanScript, after)(g, e)
			g.OnReboot(nil)
		}
	}
	suitetest.Run(t, "base/selinux-boolean", []suitetest.Case{
		{Name: "good", Guest: with("daemons_dump_core --> on\ndeny_ptrace --> off\n")},
		{Name: "lost", Want: reports.Failed, Says: []string{"set with -P and is off"}, Guest: with("daemons_dump_core --> off\ndeny_ptrace --> off\n")},
		{Name: "stayed", Want: reports.Failed, Says: []string{"until the next boot and is on"}, Guest: with("daemons_dump_core --> on\ndeny_ptrace --> on\n")},
		{Name: "no tool", Want: reports.Skipped, Guest: func(g *guesttest.Fake, e *check.Env) {
			says(selinuxScript, enforcing)(g, e)
			g.On("sh", "-c", setBooleanScript, guesttest.Rest).Exits(127)
		}},
		{Name: "refused", Want: reports.Failed, Says: []string{"cannot be set: denied"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			says(selinuxScript, enforcing)(g, e)
			g.On("sh", "-c", setBooleanScript, guesttest.Rest).Exits(1).Says("denied\n")
		}},
		disabled,
	})
}
