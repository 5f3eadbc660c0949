package base

import (
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
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

// secondBoot plans a fresh boot whose identity is the script's answer text, with
// a tree that holds tree, after a first boot with identity first.
func secondBoot(tree, text string, first *guest.Identity) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, e *check.Env) {
		g.On("sh", "-c", guesttest.Containing("random/boot_id")).Prints(text)
		says(treeScript, tree)(g, e)
		e.First = first
	}
}

var firstIdentity = &guest.Identity{MachineID: "aaaa", BootID: "b1", HostKeys: []string{"ssh-rsa AAAA1"}, PTUUID: "p1", RandomSeed: "s1"}

const secondIdentity = "m bbbb\nb b2\nk ssh-rsa AAAA2 root@x\np p2\ns s2\n"

func TestUniqueIdentity(t *testing.T) {
	same := func(line string) string { return "b b2\n" + line + "\n" }
	one := suitetest.Case{Name: "one boot", Want: reports.Errored, Fault: reports.FaultInfra, Guest: secondBoot("", "b b1\n", firstIdentity)}
	for id, cases := range map[reports.CaseID][]suitetest.Case{
		"base/unique-machine-id": {
			{Name: "baked into the image", Want: reports.Failed, Says: []string{"same machine-id aaaa"}, Guest: secondBoot("", same("m aaaa"), firstIdentity)},
			{Name: "baked into the tree", Want: reports.Failed, Says: []string{"/usr/etc/machine-id", "cccc"}, Guest: secondBoot("id=cccc\n", secondIdentity, firstIdentity)},
		},
		"base/unique-host-keys": {
			{Name: "baked into the image", Want: reports.Failed, Says: []string{"same SSH host key (ssh-rsa)"}, Guest: secondBoot("", same("k ssh-rsa AAAA1 y"), firstIdentity)},
			{Name: "baked into the tree", Want: reports.Failed, Says: []string{"ssh_host_rsa_key"}, Guest: secondBoot("key=/usr/etc/ssh/ssh_host_rsa_key\n", secondIdentity, firstIdentity)},
		},
		"base/unique-random-seed": {
			{Name: "same", Want: reports.Failed, Says: []string{"random seed"}, Guest: secondBoot("", same("s s1"), firstIdentity)},
			{Name: "none", Want: reports.Skipped, Guest: secondBoot("", same("m x"), firstIdentity)},
		},
		"base/unique-disk-id": {
			{Name: "same", Want: reports.Failed, Says: []string{"p1"}, Guest: secondBoot("", same("p p1"), firstIdentity)},
			{Name: "none", Want: reports.Skipped, Guest: secondBoot("", same("m x"), firstIdentity)},
		},
	} {
		cases = append(cases, one,
			suitetest.Case{Name: "its own", Guest: secondBoot("", secondIdentity, firstIdentity)},
			suitetest.Case{Name: "nothing to compare with", Want: reports.Skipped, Guest: secondBoot("", secondIdentity, nil)})
		suitetest.Run(t, id, cases)
	}
}
