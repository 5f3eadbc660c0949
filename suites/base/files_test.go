package base

import (
	"testing"

	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

func TestUsrReadOnly(t *testing.T) {
	usr := func(out, boot string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, env *check.Env) {
			says(usrScript, out)(g, env)
			g.On("sh", "-c", guesttest.Containing("prepare-root.conf")).Prints(boot)
		}
	}
	suitetest.Run(t, "base/usr-read-only", []suitetest.Case{
		{Name: "read-only", Guest: says(usrScript, "mount /usr /dev/vda3[/ostree/deploy/x/usr] ext4 ro,relatime\n")},
		{Name: "sealed", Guest: says(usrScript, "mount / composefs erofs rw\n")},
		{Name: "writable", Want: reports.Failed, Says: []string{"/usr, /usr/bin", "ext4 mounted on / with rw"},
			Guest: usr("written /usr\nwritten /usr/bin\nmount / /dev/vda3 ext4 rw,relatime\n", "")},
		{Name: "writable at the next chance", Want: reports.Failed, Says: []string{"mounted read-write"}, Guest: usr("mount / /dev/vda3 ext4 rw,relatime\n", "")},
		{Name: "writable on purpose", Want: reports.Skipped, Says: []string{"root.transient"},
			Guest: usr("written /usr\nmount / overlay overlay rw,upperdir=/run/ostree/.private/root/upper\n", "conf [root]\nconf transient = true\n")},
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
		{Name: "an ordinary user's", Want: reports.Failed, Says: []string{"belong to an ordinary user", "/etc/cron.d/my job (user 1000)"},
			Guest: says(modeScript, "foreign 644 1000 1000 /etc/cron.d/my job\n")},
		{Name: "a group's", Want: reports.Failed, Says: []string{"a group other than root", "/etc/profile.d/x.sh (664 root:users)"},
			Guest: owning("loose 664 root users /etc/profile.d/x.sh\n", "")},
		{Name: "a group's, by its package", Guest: owning("loose 664 root unbound /etc/unbound/root.key\n", "owned /etc/unbound/root.key\n")},
		{Name: "stray", Want: reports.Failed, Says: []string{"of no package", "/usr/bin/rootme (4755 root:root)"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			says(modeScript, "4755 f root root /usr/bin/rootme\n2755 f root x /usr/bin/game\n")(g, e)
			g.On("sh", "-c", ownerScript, "sh", "/usr/bin/rootme", "/usr/bin/game").Prints("owned /usr/bin/game\n")
		}},
		{Name: "a known name elsewhere", Want: reports.Failed, Says: []string{"of no package", "/var/usrlocal/bin/mount (4755 root:root)"},
			Guest: owning("4755 f root root /var/usrlocal/bin/mount\n", "")},
		{Name: "a shell of dpkg's", Want: reports.Failed, Says: []string{"not meant to be by its package: /usr/bin/bash (4755"},
			Guest: owning("4755 f root root /usr/bin/bash\n", "owned /usr/bin/bash\n")},
		{Name: "an interpreter of dpkg's", Want: reports.Failed, Says: []string{"/usr/bin/python3.13"},
			Guest: owning("2755 f root root /usr/bin/python3.13\n", "owned /usr/bin/python3.13\n")},
		{Name: "a game of rpm's", Guest: owning("2755 f root games /usr/bin/game\n", "owned /usr/bin/game\npackaged 102755 4294967295 /usr/bin/game\n")},
		{Name: "not as rpm's package says", Want: reports.Failed, Says: []string{"not meant to be", "/usr/bin/less (4755"},
			Guest: owning("4755 f root root /usr/bin/less\n", "owned /usr/bin/less\npackaged 100755 4294967295 /bin/less\n")},
		{Name: "setgid by rpm, setuid by hand", Want: reports.Failed, Says: []string{"/usr/bin/game"},
			Guest: owning("4755 f root games /usr/bin/game\n", "owned /usr/bin/game\npackaged 102755 4294967295 /usr/bin/game\n")},
		{Name: "rpm leaves the mode to others", Guest: owning("4755 f root root /usr/bin/helper\n", "owned /usr/bin/helper\npackaged 100755 4294967231 /usr/bin/helper\n")},
		{Name: "rpm leaves the mode to others, and has another file of that name", Guest: owning("4750 f root firejail /usr/bin/firejail\n",
			"owned /usr/bin/firejail\npackaged 104750 4294967231 /usr/bin/firejail\npackaged 100644 4294967295 /usr/share/bash-completion/completions/firejail\n")},
		{Name: "another file of that name is meant to be", Want: reports.Failed, Says: []string{"/usr/libexec/helper"},
			Guest: owning("4755 f root root /usr/libexec/helper\n", "owned /usr/libexec/helper\npackaged 100755 4294967295 /usr/libexec/helper\npackaged 104755 4294967295 /usr/lib/x/helper\n")},
		{Name: "one of two packages leaves the mode to others", Guest: owning("4755 f root root /usr/bin/helper\n",
			"owned /usr/bin/helper\npackaged 100755 4294967295 /bin/helper\npackaged 100755 4294967231 /usr/sbin/helper\n")},
		{Name: "not as rpm's package says, in a merged sbin", Want: reports.Failed, Says: []string{"/usr/bin/tool (4755"},
			Guest: owning("4755 f root root /usr/bin/tool\n", "owned /usr/bin/tool\npackaged 100755 4294967295 /sbin/tool\n")},
		{Name: "a package's", Guest: func(g *guesttest.Fake, e *check.Env) {
			says(modeScript, "2755 f root x /usr/bin/game\n")(g, e)
			says(ownerScript, "owned /usr/bin/game\n")(g, e)
		}},
	})
}

// owning is a guest with these raised files, and what its packages say of them.
func owning(files, owners string) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, e *check.Env) {
		says(modeScript, files)(g, e)
		says(ownerScript, owners)(g, e)
	}
}

// With a database of one package, as rpm itself prints it.
func TestOwnerScript(t *testing.T) {
	dir := t.TempDir()
	program(t, dir, "rpm", `case $* in
*--qf*) printf 'packaged 100755 4294967295 /bin/less\npackaged 100644 4294967295 /usr/share/doc/x y\n' ;;
*stray*) exit 1 ;;
esac
`)
	program(t, dir, "dpkg-query", "exit 1\n")
	out := shell(t, ownerScript, dir, nil, "/usr/bin/less", "/usr/bin/stray")
	if want := "owned /usr/bin/less\npackaged 100755 4294967295 /bin/less\n"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
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
		{Name: "lost", Want: reports.Failed, Says: []string{"rpm is there and its database is not"}, Guest: says(packageScript, "lost=1\n")},
		{Name: "dpkg beside an rpm without a database", Guest: says(packageScript, "lost=1\ndpkg=200\n")},
	})
}

func TestPackageScript(t *testing.T) {
	dir := t.TempDir()
	program(t, dir, "rpm", `[ "$1" = -qa ] && echo bash-5
exit 0
`)
	roots := []string{"command -v dpkg-query", "false", "/usr/", dir + "/usr/", "/var/", dir + "/var/", "/tmp/", dir + "/"}
	if out := shell(t, packageScript, dir, roots); out != "lost=1\n" {
		t.Errorf("without a database: %q", out)
	}
	put(t, dir, "usr/share/rpm/rpmdb.sqlite", "x")
	if out := shell(t, packageScript, dir, roots); out != "rpm=1\n" {
		t.Errorf("with one: %q", out)
	}
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
