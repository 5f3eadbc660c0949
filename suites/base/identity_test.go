package base

import (
	"assay/suites/check"

	"assay/harness/guest/guesttest"

	"assay/artifact"

	"testing"

	"assay/reports"
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
	})
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
		{Name: "empty", Want: reports.Failed, Says: []string{"PermitEmptyPasswords"}, Guest: says(sshdScript, "permitemptypasswords yes\n")},
		lacks(sshdScript),
	})
}

func TestTreeIdentity(t *testing.T) {
	suitetest.Run(t, "base/tree-identity", []suitetest.Case{
		{Name: "none", Guest: says(treeScript, "")},
		{Name: "machine-id", Want: reports.Failed, Says: []string{"/usr/etc/machine-id", "cccc"}, Guest: says(treeScript, "id=cccc\n")},
		{Name: "host key", Want: reports.Failed, Says: []string{"ssh_host_rsa_key"}, Guest: says(treeScript, "key=/usr/etc/ssh/ssh_host_rsa_key\n")},
	})
}
