package base

import (
	"testing"

	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

func TestUsrReadOnly(t *testing.T) {
	suitetest.Run(t, "base/usr-read-only", []suitetest.Case{
		{Name: "read-only", Guest: says(usrScript, "mount /usr /dev/vda3[/ostree/deploy/x/usr] ext4 ro,relatime\n")},
		{Name: "sealed", Guest: says(usrScript, "mount / composefs erofs rw\n")},
		{Name: "writable", Want: reports.Failed, Says: []string{"/usr, /usr/bin", "ext4 mounted on / with rw"},
			Guest: says(usrScript, "written /usr\nwritten /usr/bin\nmount / /dev/vda3 ext4 rw,relatime\n")},
		{Name: "writable at the next chance", Want: reports.Failed, Says: []string{"mounted read-write"}, Guest: says(usrScript, "mount / /dev/vda3 ext4 rw,relatime\n")},
		{Name: "no findmnt", Guest: says(usrScript, "")},
	})
}

func TestRootNotUnmountable(t *testing.T) {
	suitetest.Run(t, "base/root-not-unmountable", []suitetest.Case{
		{Name: "busy", Guest: says(umountScript, "umount: /: target is busy.\nstatus=32\n")},
		{Name: "nothing happened", Guest: says(umountScript, "status=0\n")},
		{Name: "broken", Want: reports.Failed, Says: []string{"/etc and /var"}, Guest: says(umountScript, "status=0\nlost=/etc\nlost=/var\n")},
		lacks(umountScript),
	})
}

func TestTmpMode(t *testing.T) {
	suitetest.Run(t, "base/tmp-mode", []suitetest.Case{
		{Name: "good", Guest: says(tmpScript, "1777 root directory|/tmp\n1777 root directory|/var/tmp\n")},
		{Name: "not sticky", Want: reports.Failed, Says: []string{"/tmp is 777 root directory"}, Guest: says(tmpScript, "777 root directory|/tmp\n1777 root directory|/var/tmp\n")},
		{Name: "absent", Want: reports.Failed, Says: []string{"/var/tmp does not exist"}, Guest: says(tmpScript, "1777 root directory|/tmp\nabsent|/var/tmp\n")},
	})
}

func TestOSRelease(t *testing.T) {
	suitetest.Run(t, "base/os-release", []suitetest.Case{
		{Name: "good", Guest: says(osReleaseScript, "# x\nID=fedora\nNAME=\"Fedora Linux\"\nVERSION_ID=41\n")},
		{Name: "rolling", Guest: says(osReleaseScript, "ID=arch\nNAME=Arch\nBUILD_ID=rolling\n")},
		{Name: "absent", Want: reports.Failed, Says: []string{"no os-release"}, Guest: says(osReleaseScript, "")},
		{Name: "no id", Want: reports.Failed, Says: []string{"no ID"}, Guest: says(osReleaseScript, "NAME=x\n")},
		{Name: "odd id", Want: reports.Failed, Says: []string{"ID=My OS"}, Guest: says(osReleaseScript, "ID='My OS'\nNAME=x\nVERSION_ID=1\n")},
		{Name: "no version", Want: reports.Failed, Says: []string{"no version"}, Guest: says(osReleaseScript, "ID=x\nNAME=x\n")},
		{Name: "noise", Want: reports.Failed, Says: []string{"no assignment: hello"}, Guest: says(osReleaseScript, "ID=x\nhello\n")},
		{Name: "no name", Want: reports.Failed, Says: []string{"NAME"}, Guest: says(osReleaseScript, "ID=x\nVERSION_ID=1\n")},
	})
}

func TestFileModes(t *testing.T) {
	suitetest.Run(t, "base/file-modes", []suitetest.Case{
		{Name: "usual", Guest: says(modeScript, "4755 f root root /usr/bin/sudo\n2755 f root shadow /usr/bin/chage\n")},
		{Name: "open file", Want: reports.Failed, Says: []string{"file /etc/my conf (mode 666)"}, Guest: says(modeScript, "666 f root root /etc/my conf\n")},
		{Name: "open folder", Want: reports.Failed, Says: []string{"folder without sticky bit /var/x"}, Guest: says(modeScript, "777 d root root /var/x\n")},
		{Name: "stray", Want: reports.Failed, Says: []string{"of no package", "/usr/bin/rootme (4755 root:root)"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			says(modeScript, "4755 f root root /usr/bin/rootme\n2755 f root x /usr/bin/game\n")(g, e)
			g.On("sh", "-c", ownerScript, "sh", "/usr/bin/rootme", "/usr/bin/game").Prints("/usr/bin/game\n")
		}},
		{Name: "a package's", Guest: func(g *guesttest.Fake, e *check.Env) {
			says(modeScript, "2755 f root x /usr/bin/game\n")(g, e)
			says(ownerScript, "/usr/bin/game\n")(g, e)
		}},
	})
}

func TestEtcPermissions(t *testing.T) {
	const accounts = "644 root root /etc/passwd\n644 root root /etc/group\n"
	bad := func(name, line string, says_ ...string) suitetest.Case {
		return suitetest.Case{Name: name, Want: reports.Failed, Says: says_, Guest: says(etcScript, accounts+line+"\n")}
	}
	suitetest.Run(t, "base/etc-permissions", []suitetest.Case{
		{Name: "fedora", Guest: says(etcScript, accounts+"0 root root /etc/shadow\n0 root root /etc/gshadow\n640 root ssh_keys /etc/ssh/ssh_host_rsa_key\n440 root root /etc/sudoers\n")},
		{Name: "debian", Guest: says(etcScript, accounts+"640 root shadow /etc/shadow\n640 root shadow /etc/gshadow\n600 root root /etc/ssh/ssh_host_rsa_key\n")},
		bad("shadow open", "644 root root /etc/shadow", "/etc/shadow is 0644", "password hashes"),
		bad("shadow for a group", "640 root users /etc/shadow-", "/etc/shadow-"),
		bad("host key", "644 root root /etc/ssh/ssh_host_ed25519_key", "private host key"),
		bad("owner", "644 core core /etc/fstab", "not root's"),
		bad("group may write", "664 root wheel /etc/sudoers.d/x", "writable by others"),
		{Name: "passwd", Want: reports.Failed, Says: []string{"not 0644", "/etc/group does not exist"}, Guest: says(etcScript, "664 root root /etc/passwd\n")},
	})
}

func TestBrokenSymlinks(t *testing.T) {
	suitetest.Run(t, "base/broken-symlinks", []suitetest.Case{
		{Name: "none", Guest: says(symlinkScript, "/usr/local|../var/usrlocal\n/usr/lib/x|/run/x\n/usr/tmp|../var/tmp\n")},
		{Name: "two", Want: reports.Failed, Says: []string{"2 links", "/usr/bin/vi -> vim"}, Guest: says(symlinkScript, "/usr/bin/vi|vim\n/usr/bin/x|/usr/bin/y\n")},
	})
}

func TestSudoers(t *testing.T) {
	suitetest.Run(t, "base/sudoers", []suitetest.Case{
		{Name: "ok", Guest: says(sudoersScript, "/etc/sudoers: parsed OK\n")},
		{Name: "bad", Want: reports.Failed, Says: []string{"/etc/sudoers.d/x:1"}, Guest: says(sudoersScript, "/etc/sudoers.d/x:1:5: syntax error\nFAILED\n")},
		lacks(sudoersScript),
	})
}

func TestPackageDB(t *testing.T) {
	suitetest.Run(t, "base/package-db", []suitetest.Case{
		{Name: "rpm", Guest: says(packageScript, "rpm=412\n")},
		{Name: "dpkg beside an unused rpm", Guest: says(packageScript, "rpm=0\ndpkg=200\n")},
		{Name: "empty", Want: reports.Failed, Says: []string{"rpm -qa lists no package", "cannot open"}, Guest: says(packageScript, "rpm=0\nerror=cannot open Packages\n")},
		{Name: "half", Want: reports.Failed, Says: []string{"not fully installed: cloud-init"}, Guest: says(packageScript, "dpkg=200\nhalf=cloud-init\n")},
		{Name: "none", Want: reports.Skipped, Guest: says(packageScript, "")},
	})
}

func TestPackageSignatures(t *testing.T) {
	suitetest.Run(t, "base/package-signatures", []suitetest.Case{
		{Name: "signed", Guest: says(signatureScript, "bash\tFedora Project\ty\nzlib\tFedora Project\ty\ngpg-pubkey\t(none)\tn\n")},
		{Name: "unsigned", Want: reports.Failed, Says: []string{"1 packages carry no signature: zlib"}, Guest: says(signatureScript, "bash\tF\ty\nzlib\tF\tn\n")},
		{Name: "stranger", Want: reports.Failed, Says: []string{"not of F: zlib (Me)"}, Guest: says(signatureScript, "bash\tF\ty\nglibc\tF\ty\nzlib\tMe\ty\n")},
		{Name: "empty", Want: reports.Skipped, Guest: says(signatureScript, "")},
		lacks(signatureScript),
	})
}

func TestRootImmutable(t *testing.T) {
	suitetest.Run(t, "base/root-immutable", []suitetest.Case{
		{Name: "set", Guest: says(immutableScript, "type=ext4\nostree=1\nattr=----i---------e------- /\n")},
		{Name: "unset", Want: reports.Failed, Says: []string{"not immutable"}, Guest: says(immutableScript, "type=ext4\nostree=1\nattr=--------------e------- /\n")},
		{Name: "composefs", Want: reports.Skipped, Guest: says(immutableScript, "type=overlay\nostree=1\nattr=lsattr: x While reading flags on /\n")},
		{Name: "no ostree", Want: reports.Skipped, Guest: says(immutableScript, "type=ext4\nattr=--- /\n")},
		lacks(immutableScript),
	})
}
