package guest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/cloudinit"
	"assay/fixtures/smallguest"
	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/harness/network"
)

// smallGuest boots the small guest.
func smallGuest(t *testing.T) (guest.SSHConfig, time.Time) {
	t.Helper()
	if os.Getenv("ASSAY_GUEST_TESTS") == "" {
		t.Skip("boots a real guest: set ASSAY_GUEST_TESTS=1")
	}
	cache := os.Getenv("ASSAY_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		if cache = filepath.Join(user, "assay"); os.Geteuid() == 0 {
			cache = "/var/cache/assay"
		}
	}
	small, err := smallguest.Ensure(t.Context(), smallguest.Options{Cache: cache, Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	cfg, start := boot(t, true, "-m", "256", "-kernel", small.Kernel, "-initrd", small.Initrd, "-append", small.Cmdline)
	cfg.User = "root"
	return cfg, start
}

// boot boots a guest in a plain QEMU on a private network and returns how it
// is reached, with the moment of power-on.
func boot(t *testing.T, rootLogin bool, more ...string) (guest.SSHConfig, time.Time) {
	t.Helper()
	seed, secrets, err := cloudinit.New(cloudinit.Options{Hostname: "real", RootLogin: rootLogin, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	iso := filepath.Join(t.TempDir(), "seed.iso")
	if err := seed.WriteISO(iso, cloudinit.NoCloud, false); err != nil {
		t.Fatal(err)
	}
	net, err := network.New(network.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := net.Close(); err != nil {
			t.Error(err)
		}
	})
	cable, err := net.Attach()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	// Two processors: with one, QEMU 7.2 emulates cmpxchg16b in a way of its own,
	// and two of six guests died of a double fault in kmalloc, which uses it.
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64", append([]string{"-no-user-config", "-nodefaults", "-display", "none",
		"-machine", "q35", "-accel", "tcg", "-cpu", "max,la57=off", "-smp", "2", "-serial", "stdio",
		"-drive", "if=none,id=seed,format=raw,readonly=on,media=cdrom,file=" + iso, "-device", "ide-cd,bus=ide.0,drive=seed",
		"-netdev", "socket,id=net,connect=" + cable, "-device", "virtio-net-pci,netdev=net,romfile=,mac=" + network.GuestMAC}, more...)...)
	console := filepath.Join(t.TempDir(), "console")
	out, err := os.Create(console)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	qemu.Stdout, qemu.Stderr = out, out
	start := time.Now()
	if err := qemu.Start(); err != nil {
		cancel()
		t.Fatalf("cannot start QEMU, which ASSAY_GUEST_TESTS asks for: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		_ = qemu.Wait() // killed
		if t.Failed() {
			said, err := os.ReadFile(console)
			t.Logf("the console: %s, %v", said[max(0, len(said)-8000):], err)
		}
	})
	return guest.SSHConfig{Name: "real", Dial: net.DialContext, User: secrets.User, Signer: secrets.Signer, HostKey: secrets.HostKey, Scale: 10}, start
}

func TestSmallGuest(t *testing.T) {
	cfg, start := smallGuest(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	g, ready, err := guest.Await(ctx, cfg, func(o guest.Observation) { t.Logf("%6.2f s %s %s", time.Since(start).Seconds(), o.Stage, o.Detail) })
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	t.Logf("banner after %s, ready after %s, %d logins tried", ready.Banner.Sub(start), ready.BootDone.Sub(start), ready.LoginTries)
	t.Run("conformance", func(t *testing.T) {
		guesttest.Conformance(t, func(testing.TB) guest.Guest { return g })
	})
	t.Run("reboot", func(t *testing.T) {
		was, began := g.BootID(), time.Now()
		_, err := g.RebootReady(ctx, func(o guest.Observation) {
			t.Logf("%6.2f s %s %s", time.Since(began).Seconds(), o.Stage, o.Detail)
		})
		if err != nil {
			t.Fatal(err)
		}
		if g.BootID() == was {
			t.Errorf("boot id is still %s", was)
		}
		t.Logf("rebooted in %s", time.Since(began))
		if r, err := guest.Ask(ctx, g, "true"); err != nil || !r.OK() {
			t.Errorf("after the reboot: %+v, %v", r, err)
		}
	})
	t.Run("crash", func(t *testing.T) {
		// The kernel's own reboot, without a goodbye to anyone.
		_, err := g.Run(ctx, guest.Command{Args: []string{"sh", "-c", "echo b > /proc/sysrq-trigger; sleep 60"}})
		if err == nil {
			t.Fatal("the guest did not crash")
		}
		t.Logf("a crash is seen as: %v", err)
		if _, err := g.Reconnect(ctx, nil); err != nil {
			t.Fatal(err)
		}
		if r, err := guest.Ask(ctx, g, "true"); err != nil || !r.OK() {
			t.Errorf("after the crash: %+v, %v", r, err)
		}
	})
}

// TestImage boots the disk image that ASSAY_GUEST_IMAGE names (a qcow2 that
// boots by UEFI and heeds a NoCloud seed) and asks it everything.
func TestImage(t *testing.T) {
	image := os.Getenv("ASSAY_GUEST_IMAGE")
	if image == "" {
		t.Skip("1 image skipped: ASSAY_GUEST_IMAGE names none")
	}
	const firmware = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	vars, err := os.ReadFile("/usr/share/OVMF/OVMF_VARS_4M.fd")
	if err != nil {
		t.Fatalf("no UEFI firmware, which ASSAY_GUEST_IMAGE asks for: %v", err)
	}
	store := filepath.Join(t.TempDir(), "vars")
	if err := os.WriteFile(store, vars, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, start := boot(t, false, "-m", "1024", "-drive", "if=virtio,snapshot=on,format=qcow2,file="+image,
		"-drive", "if=pflash,format=raw,readonly=on,file="+firmware, "-drive", "if=pflash,format=raw,file="+store)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	observe := func(o guest.Observation) { t.Logf("%6.2f s %s %s", time.Since(start).Seconds(), o.Stage, o.Detail) }
	g, ready, err := guest.Await(ctx, cfg, observe)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	t.Logf("ready after %s: %+v", time.Since(start), ready)
	boot, err := guest.BootTimes(ctx, g)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("its own account: kernel %s, initrd %s, userspace %s, slowest %v (asked at %s)", boot.Kernel, boot.Initrd, boot.Userspace, boot.Slowest, time.Since(start))
	facts, err := guest.ReadFacts(ctx, g)
	if err != nil || facts.OS == "" || facts.Kernel == "" {
		t.Errorf("facts %+v, %v", facts, err)
	}
	id, err := guest.ReadIdentity(ctx, g, "")
	if err != nil || len(id.MachineID) != 32 || len(id.HostKeys) == 0 || id.PTUUID == "" || id.RandomSeed == "" {
		t.Errorf("identity %+v, %v", id, err)
	}
	t.Logf("facts %+v, identity %+v", facts, id)
	units, err := guest.ListUnits(ctx, g)
	if err != nil || len(units) < 50 {
		t.Errorf("%d units, %v", len(units), err)
	}
	if u, err := guest.WaitUnit(ctx, g, "ssh.service", "active", 0); err != nil {
		t.Errorf("%+v, %v", u, err)
	}
	all, err := g.Journal(ctx, guest.JournalQuery{})
	if err != nil || len(all) < 100 || all[0].Time.After(all[len(all)-1].Time) || all[0].BootID != g.BootID() {
		t.Errorf("%d journal entries, %v", len(all), err)
	}
	few, err := g.Journal(ctx, guest.JournalQuery{Transport: "kernel", Grep: "linux version", Limit: 5})
	if err != nil || len(few) == 0 {
		t.Errorf("%d kernel entries, %v", len(few), err)
	}
	if none, err := g.Journal(ctx, guest.JournalQuery{Grep: "no such words at all"}); err != nil || len(none) > 1 {
		t.Errorf("%d entries match nothing, %v", len(none), err)
	}
	if _, err := g.Journal(ctx, guest.JournalQuery{Boot: -1}); !errors.Is(err, guest.ErrNoJournal) {
		t.Errorf("the boot before the first: %v", err)
	}
	if again, err := guest.Resume(ctx, cfg, g.BootID()); err != nil {
		t.Errorf("resumed: %v", err)
	} else {
		if clock, err := guest.Output(ctx, again, "date", "+%s"); err != nil || clock == "" {
			t.Errorf("the first command after a resume: %q, %v", clock, err)
		}
		again.Close()
	}
	if home, err := g.Run(ctx, guest.Command{Args: []string{"sh", "-c", "echo $HOME; id -un"}, User: "nobody"}); err != nil || !strings.HasSuffix(home.Line(), "nobody") {
		t.Errorf("another user: %+v, %v", home, err)
	}
	t.Run("conformance", func(t *testing.T) {
		guesttest.Conformance(t, func(testing.TB) guest.Guest { return g })
	})
	was, began := g.BootID(), time.Now()
	ready, err = g.RebootReady(ctx, observe)
	if err != nil || g.BootID() == was {
		t.Fatalf("boot id %s after %s, %v", g.BootID(), was, err)
	}
	t.Logf("rebooted in %s: %+v", time.Since(began), ready)
	if old, err := g.Journal(ctx, guest.JournalQuery{Boot: -1}); err != nil || len(old) < 100 {
		t.Errorf("%d entries of the boot before, %v", len(old), err)
	}
}
