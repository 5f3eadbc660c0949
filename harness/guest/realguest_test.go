package guest_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"assay/cloudinit"
	"assay/fixtures/smallguest"
	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/harness/network"
)

// realGuest boots the small guest in a plain QEMU on a private network and
// returns how it is reached, with the moment of power-on.
func realGuest(t *testing.T) (guest.SSHConfig, time.Time) {
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
	seed, secrets, err := cloudinit.New(cloudinit.Options{Hostname: "small", RootLogin: true, Rand: rand.Reader})
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
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64", "-no-user-config", "-nodefaults", "-display", "none",
		"-machine", "q35", "-accel", "tcg", "-cpu", "max,la57=off", "-smp", "2", "-m", "256",
		"-kernel", small.Kernel, "-initrd", small.Initrd, "-append", small.Cmdline, "-serial", "stdio",
		"-drive", "if=none,id=seed,format=raw,readonly=on,media=cdrom,file="+iso, "-device", "ide-cd,bus=ide.0,drive=seed",
		"-netdev", "socket,id=net,connect="+cable, "-device", "virtio-net-pci,netdev=net,romfile=,mac="+network.GuestMAC)
	var console bytes.Buffer
	qemu.Stdout, qemu.Stderr = &console, &console
	start := time.Now()
	if err := qemu.Start(); err != nil {
		cancel()
		t.Fatalf("cannot start QEMU, which ASSAY_GUEST_TESTS asks for: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		_ = qemu.Wait() // killed
		if t.Failed() {
			t.Logf("the console: %s", console.String())
		}
	})
	return guest.SSHConfig{Name: "small", Dial: net.DialContext, User: "root", Signer: secrets.Signer, HostKey: secrets.HostKey, Scale: 10}, start
}

func TestRealGuest(t *testing.T) {
	cfg, start := realGuest(t)
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
