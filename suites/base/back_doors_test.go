package base

import (
	"strings"
	"testing"

	"assay/artifact"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

func TestBackDoors(t *testing.T) {
	const (
		healthy = "root root\n" +
			"key root /root/.ssh/authorized_keys no-port-forwarding,command=\"echo 'Please login as \\\"assay\\\"'\" ssh-ed25519 AAAAC3NzaUserKey assay\n" +
			"key core /var/home/core/.ssh/authorized_keys.d/ignition ssh-ed25519 AAAAC3NzaUserKey another comment\n" +
			"key core /var/home/core/.ssh/authorized_keys.d/odd no key\n"
		stranger = "key vagrant /home/vagrant/.ssh/authorized_keys ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8== vagrant\n"
		defaults = "sudo Matching Defaults entries for nobody on x:\nsudo     env_reset, targetpw\nsudo\n"
		rules    = "sudo User nobody may run the following commands on x:\nsudo     "
		login    = "unit Id=getty@tty1.service\nunit ActiveState=active\nunit UnitFileState=enabled\nunit ExecStart={ path=/sbin/agetty ; argv[]=/sbin/agetty -o -- \\u --noreset --noclear - ${TERM} ; ignore_errors=yes }\n"
	)
	serial := func(active, argv string) string {
		return login + "\nunit Id=serial-getty@ttyS0.service\nunit ActiveState=" + active + "\nunit UnitFileState=disabled\nunit ExecStart={ path=/sbin/agetty ; argv[]=/sbin/agetty " + argv + " ; ignore_errors=yes }\n"
	}
	bad := func(name, out string, parts ...string) suitetest.Case {
		return suitetest.Case{Name: name, Want: reports.Failed, Says: parts, Guest: says(doorScript, healthy+out)}
	}
	suitetest.Run(t, "base/back-doors", []suitetest.Case{
		{Name: "healthy", Guest: says(doorScript, healthy+"sudo User nobody is not allowed to run sudo on x.\n"+serial("active", "-o -p -- \\u --keep-baud 115200,57600 - vt220"))},
		bad("a key", stranger, "/home/vagrant/.ssh/authorized_keys of account vagrant lets a key in"),
		{Name: "a Vagrant box's key", Guest: func(g *guesttest.Fake, e *check.Env) {
			says(doorScript, healthy+stranger)(g, e)
			e.ImageFormat = artifact.VagrantLibvirt
		}},
		{Name: "a seed of the user's own", Guest: func(g *guesttest.Fake, e *check.Env) {
			says(doorScript, stranger)(g, e)
			e.AuthorizedKey = ""
		}},
		bad("a second root", "root toor\n", "account toor has user id 0"),
		bad("sudo without a password", rules+"(ALL : ALL) NOPASSWD: ALL\n", "sudo lets every account", "(ALL : ALL) NOPASSWD: ALL"),
		bad("sudo without a password, openSUSE", defaults+rules+"(root) NOPASSWD: /usr/bin/x\n", "NOPASSWD: /usr/bin/x"),
		bad("sudo for all", rules+"(ALL) ALL\n", "(ALL) ALL"),
		{Name: "sudo for who knows root's password", Guest: says(doorScript, healthy+defaults+rules+"(ALL) ALL\n")},
		{Name: "sudo for one command", Guest: says(doorScript, healthy+rules+"(root) /usr/bin/eject\n")},
		bad("autologin", serial("active", "--autologin core --noclear %I"), "unit serial-getty@ttyS0.service logs core in"),
		bad("autologin in short", serial("activating", "-a root - vt220"), "logs root in"),
		bad("a shell", serial("active", "-n -l /bin/bash - vt220"), "unit serial-getty@ttyS0.service gives whoever is at the console /bin/bash"),
		bad("login that believes", serial("active", "-o '-f root' - vt220"), "logs root in without asking"),
		{Name: "autologin where nobody can", Guest: says(doorScript, healthy+serial("inactive", "--autologin core - vt220"))},
		bad("debug shell", "unit Id=debug-shell.service\nunit ActiveState=inactive\nunit UnitFileState=enabled\n", "debug-shell.service"),
	})
}

func TestOpenConsole(t *testing.T) {
	for argv, want := range map[string]string{
		// As units of distributions have it, and as systemctl prints that.
		`/sbin/agetty -o '-p -- \\u' --noclear - linux`:                 "",
		`/sbin/agetty -o -p -- \u --noreset --noclear - ${TERM}`:        "",
		`/sbin/agetty -o "-p -- \\u" --keep-baud 115200,57600 - vt220`:  "",
		`/sbin/agetty -o -p -f /etc/issue.console --noclear tty1 linux`: "",
		`/sbin/agetty -n --noclear tty1 linux`:                          "",
		`/sbin/agetty --skip-login --login-program /usr/bin/login tty1`: "",
		`/sbin/agetty -l /usr/bin/nologin-x tty1`:                       "",
		`/usr/sbin/sulogin`:                    "",
		`/bin/sh -c 'exec /sbin/agetty tty1'`:  "",
		`/bin/busybox getty 115200 ttyS0`:      "",
		`/bin/login -p`:                        "",
		`/sbin/agetty -n -l /bin/bash - vt220`: "/bin/bash",
		`/sbin/agetty --noclear --skip-login --login-program=/usr/bin/menu x`: "/usr/bin/menu",
		`/sbin/agetty -o '-f root' tty1`:                                      "logs root in",
		`/sbin/agetty -o -f root --noclear tty1`:                              "logs root in",
		`/sbin/agetty -o "-p -f -- core" tty1`:                                "logs core in",
		`/sbin/agetty --login-options "-pf root" tty1`:                        "logs root in",
		`/sbin/agetty -o '-p -f \u' tty1`:                                     `logs \u in`,
		`/bin/login -f root`:                                                  "logs root in",
		`/sbin/agetty --autologin core --noclear tty1`:                        "logs core in",
		`/bin/sh`:                        "a shell (/bin/sh)",
		`/usr/bin/bash -l`:               "a shell (/usr/bin/bash)",
		`/bin/sh -c 'exec /bin/bash'`:    "a shell (/bin/sh)",
		`/bin/sh -c 'exec bash --login'`: "a shell (/bin/sh)",
		`/bin/busybox sh`:                "a shell (/bin/busybox)",
	} {
		path, _, _ := strings.Cut(argv, " ")
		got := openConsole("{ path=" + path + " ; argv[]=" + argv + " ; ignore_errors=yes ; start_time=[n/a] }")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", argv, got, want)
		}
	}
}

func TestDoorScript(t *testing.T) {
	dir := t.TempDir()
	program(t, dir, "sshd", "exit 1\n")
	program(t, dir, "getent", "cat "+dir+"/etc/passwd\n")
	program(t, dir, "sudo", "[ \"$*\" = '-n -l -U nobody' ] && echo 'User nobody is not allowed'; exit 1\n")
	program(t, dir, "systemctl", "printf 'Id=a.service\\nActiveState=active\\n\\nId=b.service\\n'\n")
	put(t, dir, "etc/passwd", "root:x:0:0:root:"+dir+"/root:/bin/sh\ntoor:x:0:0::/nonexistent:/bin/sh\nbin:x:1:1::/:/sbin/nologin\ncore:x:1000:1000::"+dir+"/home/core:/bin/sh\n+::0:0:::\n")
	put(t, dir, "root/.ssh/authorized_keys", "# a comment\n\n  ssh-ed25519 AAAA1 x\\y")
	put(t, dir, "home/core/.ssh/authorized_keys.d/ignition", "ssh-ed25519 AAAA2 core\n\t# no\n")
	want := "root root\nkey root " + dir + "/root/.ssh/authorized_keys   ssh-ed25519 AAAA1 x\\y\nroot toor\n" +
		"key core " + dir + "/home/core/.ssh/authorized_keys.d/ignition ssh-ed25519 AAAA2 core\n" +
		"sudo User nobody is not allowed\nunit Id=a.service\nunit ActiveState=active\n\nunit Id=b.service\n"
	roots := []string{"/etc/", dir + "/etc/"}
	if out := shell(t, doorScript, dir, roots); out != want {
		t.Errorf("%q, want %q", out, want)
	}
	// Where sshd says where keys are, these are looked at, too.
	program(t, dir, "sshd", "[ \"$1\" = -T ] && echo 'port 22' && echo 'authorizedkeysfile .ssh/authorized_keys "+dir+"/keys/%u-%%%U %h/.keys* none'\n")
	put(t, dir, "keys/core-%1000", "ssh-ed25519 AAAA3 hidden\n")
	put(t, dir, "root/.keys*", "ssh-ed25519 AAAA4 hidden\n")
	put(t, dir, "root/.keys2", "ssh-ed25519 AAAA5 of nobody\n")
	want = strings.Replace(want, "root toor\n", "key root "+dir+"/root/.keys* ssh-ed25519 AAAA4 hidden\nroot toor\n", 1)
	want = strings.Replace(want, "sudo User", "key core "+dir+"/keys/core-%1000 ssh-ed25519 AAAA3 hidden\nsudo User", 1)
	if out := shell(t, doorScript, dir, roots); out != want {
		t.Errorf("with sshd's files: %q, want %q", out, want)
	}
}
