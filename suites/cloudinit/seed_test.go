package cloudinit

import (
	"testing"

	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

func TestSSHKey(t *testing.T) {
	const home = "home=/var/home/assay\nshell=/bin/bash\n"
	const good = home + "file=assay 600 /var/home/assay/.ssh/authorized_keys\nkey # made by cloud-init\nkey no-pty ssh-ed25519 AAAAC3NzaUserKey me\n"
	suitetest.Run(t, "cloud-init/ssh-key", []suitetest.Case{
		{Name: "there", Guest: says(keyScript, good)},
		{Name: "no user", Want: reports.Failed, Says: []string{"user assay was not made"}, Guest: says(keyScript, "nouser=1\n")},
		{Name: "no file", Want: reports.Failed, Says: []string{"no authorized_keys", "/var/home/assay"}, Guest: says(keyScript, home)},
		{Name: "other key", Want: reports.Failed, Says: []string{"not among"},
			Guest: says(keyScript, home+"file=assay 600 /x\nkey ssh-ed25519 AAAAother\n")},
		{Name: "writable", Want: reports.Failed, Says: []string{"mode 666"},
			Guest: says(keyScript, home+"file=assay 666 /x\nkey ssh-ed25519 AAAAC3NzaUserKey\n")},
		{Name: "another's", Want: reports.Failed, Says: []string{"belongs to core"},
			Guest: says(keyScript, home+"file=core 600 /x\nkey ssh-ed25519 AAAAC3NzaUserKey\n")},
		{Name: "no user in seed", Want: reports.Skipped, Guest: func(_ *guesttest.Fake, e *check.Env) { e.User = "" }},
		lacks(keyScript),
	})
}

func TestHostname(t *testing.T) {
	suitetest.Run(t, "cloud-init/hostname", []suitetest.Case{
		{Name: "as told", Guest: says(hostnameScript, "kernel=assay-guest\nstatic=assay-guest\n")},
		{Name: "first label of a full name", Guest: func(g *guesttest.Fake, e *check.Env) {
			e.Hostname = "assay-guest.example"
			says(hostnameScript, "kernel=assay-guest\nstatic=assay-guest.example\n")(g, e)
		}},
		{Name: "not set", Want: reports.Failed, Says: []string{`"localhost"`, `"assay-guest"`},
			Guest: says(hostnameScript, "kernel=localhost\nstatic=\n")},
		{Name: "set for now", Want: reports.Failed, Says: []string{"next boot"}, Guest: says(hostnameScript, "kernel=assay-guest\nstatic=\n")},
		lacks(hostnameScript),
	})
}

// TestProofs is of the parts of the seed that leave a proof.
func TestProofs(t *testing.T) {
	for id, c := range map[reports.CaseID]struct{ log, path, text, undone string }{
		"cloud-init/user-script": {scriptLogScript, "/var/lib/assay/proof", "proof-text-1", "did not run"},
		"cloud-init/runcmd":      {runCmdLogScript, "/var/lib/assay/proof-runcmd", "proof-text-2", "did not run"},
		"cloud-init/write-files": {writeFilesLogScript, "/var/lib/assay/proof-write-files", "proof-text-3", "was not written"},
	} {
		with := func(then func(g *guesttest.Fake)) func(*guesttest.Fake, *check.Env) {
			return func(g *guesttest.Fake, _ *check.Env) {
				g.On("sh", "-c", need+"exit 0", "sh")
				g.On("sh", "-c", c.log, "sh").Prints("Failed running part-001\n")
				then(g)
			}
		}
		suitetest.Run(t, id, []suitetest.Case{
			{Name: "done", Guest: with(func(g *guesttest.Fake) { g.HasFile(c.path, c.text+"\n") })},
			{Name: "not done", Want: reports.Failed, Says: []string{c.undone, c.path}, Shows: []string{"part-001"},
				Guest: with(func(g *guesttest.Fake) { g.LacksFile(c.path) })},
			{Name: "left something else", Want: reports.Failed, Says: []string{`"old"`, c.path},
				Guest: with(func(g *guesttest.Fake) { g.HasFile(c.path, "old") })},
			{Name: "not in the seed", Want: reports.Skipped, Guest: func(_ *guesttest.Fake, e *check.Env) {
				e.ProofPath, e.RunCmdProof, e.WriteFilesProof = "", check.Proof{}, check.Proof{}
			}},
			lacks(need + "exit 0"),
		})
	}
}

// resizeComposefs is what cloud-init says of a root that is a composefs image.
const resizeComposefs = "Device '/dev/composefs' did not exist. cannot resize: dev=composefs mnt_point=/ path=/\n"

func TestLogClean(t *testing.T) {
	suitetest.Run(t, "cloud-init/log-clean", []suitetest.Case{
		{Name: "clean", Guest: says(logScript, "")},
		{Name: "benign", Guest: says(logScript, "9:2016-09-10 00:05:50,867 - util.py[WARNING]: Route info failed: Unexpected error\n")},
		{Name: "composefs root", Guest: says(logScript, "40:2026-11-21 10:00:01,000 - cc_resizefs.py[WARNING]: "+resizeComposefs)},
		{Name: "root that is not there", Want: reports.Failed, Says: []string{"/dev/vda9"},
			Guest: says(logScript, "40:2026-11-21 10:00:01,000 - cc_resizefs.py[WARNING]: Device '/dev/vda9' did not exist. cannot resize: dev=/dev/vda9 mnt_point=/ path=/\n")},
		{Name: "warning", Want: reports.Failed, Says: []string{"1 complaints", "12:", "Failed loading yaml"},
			Guest: says(logScript, "12:2019-08-07 14:33:27,270 - util.py[WARNING]: Failed loading yaml blob\n")},
		{Name: "no log", Want: reports.Skipped, Guest: says(logScript, "--none--\n")},
		lacks(logScript),
	})
}

func TestNetworkConfig(t *testing.T) {
	const addr = "addr 2: enp1s0    inet 192.168.127.2/24 brd 192.168.127.255 scope global dynamic enp1s0\\ valid_lft 3Xsec\n"
	const route = "route default via 192.168.127.1 dev enp1s0 proto dhcp\n"
	const up = addr + route + "dns 192.168.127.1\n"
	routed := func(out string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, e *check.Env) {
			e.SeedRoute = "198.51.100.0/24"
			g.On("sh", "-c", networkScript, "sh", "198.51.100.0/24").Prints(out)
		}
	}
	suitetest.Run(t, "cloud-init/network-config", []suitetest.Case{
		{Name: "up", Guest: routed(up + "seed 198.51.100.0/24 via 192.168.127.1 dev enp1s0 proto static\nsaid Applying network configuration from ds\n")},
		{Name: "up, and no configuration in the seed", Guest: says(networkScript, up)},
		{Name: "ignored where DHCP gives the same", Want: reports.Failed, Says: []string{"route to 198.51.100.0/24 is missing", "network config is disabled by system_cfg"},
			Guest: routed(up + "said network config is disabled by system_cfg\n")},
		{Name: "ignored without a word", Want: reports.Failed, Says: []string{"no word of it"}, Guest: routed(up)},
		{Name: "written for the seed's own word", Guest: routed(up + "named seed\n")},
		{Name: "no address", Want: reports.Failed, Says: []string{"no interface"}, Guest: says(networkScript, route)},
		{Name: "no route", Want: reports.Failed, Says: []string{"default route"}, Guest: says(networkScript, addr)},
		{Name: "no name server", Want: reports.Failed, Says: []string{"name server"}, Guest: says(networkScript, addr+route)},
		lacks(networkScript),
	})
}

func TestPasswordAuth(t *testing.T) {
	suitetest.Run(t, "cloud-init/password-auth", []suitetest.Case{
		{Name: "off", Guest: says(passwordAuthScript, "passwordauthentication no\nsecret locked\n")},
		{Name: "on", Want: reports.Failed, Says: []string{"SSH takes passwords"}, Guest: says(passwordAuthScript, "passwordauthentication yes\nsecret locked\n")},
		{Name: "on by PAM", Want: reports.Failed, Says: []string{"keyboard-interactive"}, Guest: says(passwordAuthScript, "passwordauthentication no\nusepam yes\nkbdinteractiveauthentication yes\nsecret locked\n")},
		{Name: "off by PAM", Guest: says(passwordAuthScript, "passwordauthentication no\nusepam yes\nkbdinteractiveauthentication no\nchallengeresponseauthentication no\nsecret locked\n")},
		{Name: "PAM beside a key", Guest: says(passwordAuthScript, "passwordauthentication no\nusepam yes\nkbdinteractiveauthentication yes\nauthenticationmethods publickey,keyboard-interactive\nsecret locked\n")},
		{Name: "PAM or a key", Want: reports.Failed, Says: []string{"keyboard-interactive"},
			Guest: says(passwordAuthScript, "passwordauthentication no\nusepam yes\nkbdinteractiveauthentication yes\nauthenticationmethods publickey keyboard-interactive:pam\nsecret locked\n")},
		{Name: "nobody asks PAM", Guest: says(passwordAuthScript, "passwordauthentication no\nusepam no\nkbdinteractiveauthentication yes\nsecret locked\n")},
		{Name: "empty", Want: reports.Failed, Says: []string{"empty password"}, Guest: says(passwordAuthScript, "secret empty\n")},
		{Name: "set", Want: reports.Failed, Says: []string{"user assay has a password"}, Guest: says(passwordAuthScript, "secret set\n")},
		lacks(passwordAuthScript),
	})
}

func TestGrowpart(t *testing.T) {
	const ok = "x - handlers.py[DEBUG]: finish: init-network/config-growpart: SUCCESS: config-growpart ran successfully\n"
	suitetest.Run(t, "cloud-init/growpart", []suitetest.Case{
		{Name: "ok", Guest: says(growScript, ok)},
		{Name: "failed", Want: reports.Failed, Says: []string{"config-growpart: FAIL"},
			Guest: says(growScript, "x - handlers.py[DEBUG]: finish: init-network/config-growpart: FAIL: running config-growpart\n")},
		{Name: "composefs root", Guest: says(growScript, ok+"2026-11-21 10:00:01,000 - cc_resizefs.py[WARNING]: "+resizeComposefs)},
		{Name: "not used", Want: reports.Skipped, Says: []string{"does not grow"}, Guest: says(growScript, "")},
		lacks(growScript),
	})
}

func TestSecondBoot(t *testing.T) {
	const first = "the hostname=assay-guest\nthe machine-id=aa\nonce config_ssh=2026-01-01 00:00:01.5\n"
	boots := func(second string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) {
			g.On("sh", "-c", onceScript, "sh", "/var/lib/assay/proof", "assay").Prints(first).Then().Prints(second)
			g.On("sh", "-c", statusScript, guesttest.Rest).Prints(`{"v1":{"init":{"errors":[],"start":1,"finished":2}}}`)
			g.OnReboot(nil)
		}
	}
	suitetest.Run(t, "cloud-init/second-boot", []suitetest.Case{
		{Name: "same", Guest: boots(first)},
		{Name: "name lost", Want: reports.Failed, Says: []string{"the hostname", `"localhost"`},
			Guest: boots("the hostname=localhost\nthe machine-id=aa\nonce config_ssh=2026-01-01 00:00:01.5\n")},
		{Name: "ran again", Want: reports.Failed, Says: []string{"config_ssh", "ran again"},
			Guest: boots("the hostname=assay-guest\nthe machine-id=aa\nonce config_ssh=2026-01-01 00:02:01.5\n")},
		lacks(onceScript),
	})
}

func TestNewInstance(t *testing.T) {
	const first = "instance=iid-assay-1\nhostname=assay-guest\nproof=1\n"
	boots := func(second string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) {
			g.On("sh", "-c", newInstanceScript, "sh", "iid-assay-1-again")
			g.On("sh", "-c", instanceScript, "sh", "/var/lib/assay/proof").Prints(first).Then().Prints(second)
			g.On("sh", "-c", statusScript, guesttest.Rest).Prints(`{"v1":{"init":{"errors":[],"start":1,"finished":2}}}`)
			g.OnReboot(nil)
		}
	}
	suitetest.Run(t, "cloud-init/new-instance", []suitetest.Case{
		{Name: "anew", Guest: boots("instance=iid-assay-1-again\nhostname=assay-guest\nproof=2\n")},
		{Name: "holds on", Want: reports.Failed, Says: []string{`holds on to instance "iid-assay-1"`}, Guest: boots(first)},
		{Name: "no script", Want: reports.Failed, Says: []string{"did not run again"}, Guest: boots("instance=iid-assay-1-again\nhostname=assay-guest\nproof=1\n")},
		{Name: "no name", Want: reports.Failed, Says: []string{`"localhost"`}, Guest: boots("instance=iid-assay-1-again\nhostname=localhost\nproof=2\n")},
		lacks(newInstanceScript),
	})
}
