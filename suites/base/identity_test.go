package base

import (
	"assay/suites/check"

	"assay/harness/guest/guesttest"

	"assay/artifact"

	"testing"

	"assay/reports"
	"assay/suites/probe"
	"assay/suites/suitetest"
)

func TestMachineID(t *testing.T) {
	const good = "id=0123456789abcdef0123456789abcdef\n"
	suitetest.Run(t, "base/machine-id", []suitetest.Case{
		{Name: "good", Guest: says(machineIDScript, good)},
		{Name: "empty", Want: reports.Failed, Says: []string{"empty after boot"}, Guest: says(machineIDScript, "id=\n")},
		{Name: "absent", Want: reports.Failed, Says: []string{"does not exist"}, Guest: says(machineIDScript, "id=\nabsent=1\n")},
		{Name: "uninitialized", Want: reports.Failed, Says: []string{"uninitialized"}, Guest: says(machineIDScript, "id=uninitialized\n")},
		{Name: "no hex", Want: reports.Failed, Says: []string{"32 hexadecimal"}, Guest: says(machineIDScript, "id=xyz\n")},
		{Name: "zeros", Want: reports.Failed, Says: []string{"all zeros"}, Guest: says(machineIDScript, "id=00000000000000000000000000000000\n")},
		{Name: "transient", Want: reports.Failed, Says: []string{"transient"}, Guest: says(machineIDScript, good+"mounted=1\n")},
		{Name: "argument", Want: reports.Failed, Says: []string{"systemd.machine_id=abc"}, Guest: says(machineIDScript, good+"kernel=abc\n")},
		{Name: "D-Bus's is the same", Guest: says(machineIDScript, good+"dbus=0123456789abcdef0123456789abcdef\n")},
		{Name: "D-Bus's is empty", Guest: says(machineIDScript, good+"dbus=\n\n")},
		{Name: "D-Bus's is another", Want: reports.Failed, Says: []string{"/var/lib/dbus/machine-id holds ffff"},
			Guest: says(machineIDScript, good+"dbus=ffffffffffffffffffffffffffffffff\n")},
	})
}

func TestMachineIDScript(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	dir := t.TempDir()
	put(t, dir, "etc/machine-id", id+"\n")
	roots := []string{"/etc/", dir + "/etc/", "/var/", dir + "/var/"}
	for _, want := range []string{"", id} {
		if p := probe.Pairs(shell(t, machineIDScript, dir, roots)); p["id"] != id || p["dbus"] != want {
			t.Errorf("%v, want D-Bus's id %q", p, want)
		}
		put(t, dir, "var/lib/dbus/machine-id", id+"\n")
	}
}

func TestJournalPersistent(t *testing.T) {
	suitetest.Run(t, "base/journal-persistent", []suitetest.Case{
		{Name: "kept", Guest: says(journalScript, "disk=1\nfolder=1\n")},
		{Name: "no folder", Want: reports.Failed, Says: []string{"does not exist", "auto"}, Guest: says(journalScript, "memory=1\n")},
		{Name: "by configuration", Want: reports.Failed, Says: []string{"Storage=volatile"}, Guest: says(journalScript, "folder=1\nstorage=volatile\n")},
		{Name: "in memory", Want: reports.Failed, Says: []string{"/var/log is in memory"}, Guest: says(journalScript, "disk=1\nvolatile=1\n")},
		{Name: "not flushed", Want: reports.Failed, Says: []string{"flushed"}, Guest: says(journalScript, "folder=1\nmemory=1\n")},
		lacks(journalScript),
	})
}

func TestDefaultPassword(t *testing.T) {
	suitetest.Run(t, "base/default-password", []suitetest.Case{
		{Name: "locked", Guest: says(passwordScript, "locked root /etc/shadow\nset assay /etc/shadow\ntree locked root /usr/etc/shadow\n")},
		{Name: "set", Want: reports.Failed, Says: []string{"account root has a password set in /etc/shadow", "passwd -l"}, Guest: says(passwordScript, "set root /etc/shadow\n")},
		{Name: "a Vagrant box's", Guest: func(g *guesttest.Fake, e *check.Env) {
			says(passwordScript, "set root /etc/shadow\nset vagrant /etc/shadow\n")(g, e)
			e.ImageFormat = artifact.VagrantLibvirt
		}},
		{Name: "empty", Want: reports.Failed, Says: []string{"account guest needs no password"}, Guest: says(passwordScript, "empty guest /etc/passwd\n")},
		{Name: "the seed's name, the image's password", Want: reports.Failed, Says: []string{"account assay"},
			Guest: says(passwordScript, "set assay /etc/shadow\ntree set assay /usr/etc/shadow\n")},
	})
}

func TestRootLogin(t *testing.T) {
	suitetest.Run(t, "base/root-login", []suitetest.Case{
		{Name: "by key", Guest: says(sshdScript, "permitrootlogin without-password\npasswordauthentication yes\n")},
		{Name: "no passwords at all", Guest: says(sshdScript, "permitrootlogin yes\npasswordauthentication no\nkbdinteractiveauthentication no\n")},
		{Name: "by password", Want: reports.Failed, Says: []string{"root may log in", "passwordauthentication yes"}, Guest: says(sshdScript, "permitrootlogin yes\npasswordauthentication yes\n")},
		{Name: "by PAM", Want: reports.Failed, Says: []string{"kbdinteractiveauthentication"}, Guest: says(sshdScript, "permitrootlogin yes\npasswordauthentication no\nkbdinteractiveauthentication yes\n")},
		{Name: "hidden by the seed", Want: reports.Failed, Says: []string{"passwordauthentication yes; cloud-init's file hides it"},
			Guest: says(sshdScript, "permitrootlogin yes\npasswordauthentication no\nseedless-permitrootlogin yes\nseedless-passwordauthentication yes\n")},
		{Name: "by key without the seed", Guest: says(sshdScript, "permitrootlogin without-password\npasswordauthentication no\nseedless-permitrootlogin without-password\nseedless-passwordauthentication yes\n")},
		{Name: "empty", Want: reports.Failed, Says: []string{"PermitEmptyPasswords"}, Guest: says(sshdScript, "permitemptypasswords yes\n")},
		lacks(sshdScript),
	})
}

// The server that stands in prints the files that it would read, in their order.
func TestSSHDScript(t *testing.T) {
	dir := t.TempDir()
	program(t, dir, "bin/sshd", `f=`+dir+`/etc/ssh/sshd_config
while [ $# -gt 0 ]; do [ "$1" = -f ] && f=$2; shift; done
while read -r word rest; do
	case $word in Include) cat $rest ;; *) echo "$word $rest" ;; esac
done <"$f"
`)
	put(t, dir, "etc/ssh/sshd_config", "Include "+dir+"/etc/ssh/sshd_config.d/*.conf\nPermitRootLogin yes\n")
	put(t, dir, "etc/ssh/sshd_config.d/60-own.conf", "UseDNS no\n")
	roots := []string{"/usr/sbin/sshd", "/nowhere/sshd", "/etc/ssh", dir + "/etc/ssh", "/usr$f", dir + "/usr${f#" + dir + "}", `sshd_config\.d/#$tmp/d/#g;s`, `sshd_config\.d/#$tmp/d/#g;s`, "/etc/cloud/", dir + "/etc/cloud/"}
	const own = "UseDNS no\nPermitRootLogin yes\n"
	if out := shell(t, sshdScript, dir+"/bin", roots); out != own {
		t.Errorf("without a seed's file: %q", out)
	}
	put(t, dir, "etc/ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication no\n")
	const seeded = "PasswordAuthentication no\n" + own
	if out, want := shell(t, sshdScript, dir+"/bin", roots), seeded+"seedless-UseDNS no\nseedless-PermitRootLogin yes\n"; out != want {
		t.Errorf("with one: %q, want %q", out, want)
	}
	put(t, dir, "usr/etc/ssh/sshd_config.d/50-cloud-init.conf", "PasswordAuthentication yes\n")
	if out, want := shell(t, sshdScript, dir+"/bin", roots), seeded+"seedless-PasswordAuthentication yes\nseedless-UseDNS no\nseedless-PermitRootLogin yes\n"; out != want {
		t.Errorf("with one of the tree's, too: %q, want %q", out, want)
	}
	for n, c := range []struct{ name, line, want string }{
		{"cloud.cfg", "ssh_pwauth:   false # as ever", "seedless-PasswordAuthentication no\n"},
		{"cloud.cfg.d/10_on.cfg", "ssh_pwauth: True", ""},
		{"cloud.cfg.d/20_off.cfg", "users: []\nssh_pwauth: 'No'", "seedless-PasswordAuthentication no\n"},
		{"cloud.cfg.d/30_zero.cfg", "ssh_pwauth: 0", "seedless-PasswordAuthentication no\n"},
		{"cloud.cfg.d/40_as_it_is.cfg", "ssh_pwauth: unchanged", ""},
		{"cloud.cfg.d/50_not_read", "ssh_pwauth: no", ""},
	} {
		put(t, dir, "etc/cloud/"+c.name, c.line+"\n")
		want := seeded + c.want + "seedless-PasswordAuthentication yes\nseedless-UseDNS no\nseedless-PermitRootLogin yes\n"
		if out := shell(t, sshdScript, dir+"/bin", roots); out != want {
			t.Errorf("%d, %s: %q, want %q", n, c.line, out, want)
		}
	}
}

func TestTreeIdentity(t *testing.T) {
	suitetest.Run(t, "base/tree-identity", []suitetest.Case{
		{Name: "none", Guest: says(treeScript, "")},
		{Name: "machine-id", Want: reports.Failed, Says: []string{"/usr/etc/machine-id", "cccc"}, Guest: says(treeScript, "id=cccc\n")},
		{Name: "host key", Want: reports.Failed, Says: []string{"ssh_host_rsa_key"}, Guest: says(treeScript, "key=/usr/etc/ssh/ssh_host_rsa_key\n")},
	})
}
