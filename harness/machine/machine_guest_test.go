package machine

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"assay/harness/network"
)

func TestGuestLife(t *testing.T) {
	r := newRig(t)
	if libvirt, qemu, err := r.host.Versions(t.Context()); err != nil || !strings.Contains(libvirt, ".") || !strings.Contains(qemu, ".") {
		t.Errorf("versions %q, %q, %v", libvirt, qemu, err)
	}
	spec := r.direct("boot", "")
	spec.Listen = func(n *network.Network) error {
		l, err := n.Listen(80)
		if err != nil {
			return err
		}
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				io.WriteString(c, "from the harness\n")
				c.Close()
			}
		}()
		return nil
	}
	s := r.boot(spec)
	s.console.await(t, "small login: ", 1)
	if first := s.console.String(); !strings.Contains(first, "SeaBIOS") {
		t.Errorf("the console does not begin with the firmware: %.200q", first)
	}

	if got := s.run("nc " + network.RegistryName + " 80 </dev/null"); got != "from the harness" {
		t.Errorf("the guest read %q from the harness", got)
	}
	for _, closed := range []string{"192.168.127.1 81", "8.8.8.8 53", "10.0.2.2 22", "192.0.2.2 22", "example.com 80"} {
		if out, err := s.try("nc -w 20 " + closed + " </dev/null"); err == nil || strings.Contains(out, "timed out") {
			t.Errorf("nc %s: %q, %v; want a refusal at once", closed, out, err)
		}
	}

	if cpu, err := s.CPUTime(t.Context()); err != nil || cpu <= 0 {
		t.Errorf("processor time %s, %v", cpu, err)
	}
	if err := s.PowerButton(t.Context()); err != nil {
		t.Error(err)
	}
	if owned, err := ListOwned(t.Context(), ""); err != nil || !hasOwned(owned, s) {
		t.Errorf("the guest is not among %v, %v", owned, err)
	}
	if _, err := r.host.Boot(t.Context(), r.direct("boot", "")); err == nil {
		t.Error("a second guest of the same name was started")
	}

	before := s.run("cat /proc/sys/kernel/random/boot_id")
	if err := s.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.console.await(t, "small login: ", 2)
	s.client = nil
	if after := s.run("cat /proc/sys/kernel/random/boot_id"); after == before {
		t.Error("the boot id is the same after a reset")
	}

	if _, err := s.try("poweroff"); err != nil {
		t.Logf("poweroff: %v", err)
	}
	s.awaitEnd(EndShutdown)
	if err := s.Reset(t.Context()); !errors.Is(err, ErrGone) {
		t.Errorf("reset of a guest that ended: %v, want ErrGone", err)
	}
	for range 2 {
		if err := s.Destroy(t.Context()); err != nil {
			t.Errorf("destroying a guest that ended: %v", err)
		}
	}
	if _, err := s.Network().DialContext(t.Context(), 22); err == nil {
		t.Error("the network of a guest that ended still connects")
	}
	r.expectEmpty()
}

func hasOwned(owned []Owned, s *subject) bool {
	for _, o := range owned {
		if o.UUID == s.UUID() && o.RunID == s.r.host.cfg.RunID && o.Name == s.domainName() {
			return true
		}
	}
	return false
}

// expectEmpty finds what guests left in the scratch folder.
func (r *rig) expectEmpty() {
	r.t.Helper()
	for _, pattern := range []string{"*.serial", "*.pipe", "*.restore", "*.nvram"} {
		left, err := filepath.Glob(filepath.Join(r.dir, pattern))
		if err != nil || len(left) > 0 {
			r.t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

// TestSuddenEnds: whoever ends a guest, it is noticed and told apart.
func TestSuddenEnds(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	for _, c := range []struct {
		name string
		more string
		end  func(*subject) error
		want EndKind
	}{
		{"killed", "assay.fault=hang", func(s *subject) error { return syscall.Kill(s.emulator(), syscall.SIGKILL) }, EndFailed},
		{"destroyed", "assay.fault=hang", func(s *subject) error { return s.Destroy(ctx) }, EndDestroyed},
		{"by-another", "assay.fault=hang", func(s *subject) error {
			n, err := DestroyOwned(ctx, "", s.r.host.cfg.RunID)
			if n != 1 {
				t.Errorf("%d guests destroyed, want 1", n)
			}
			return err
		}, EndDestroyed},
		// What libvirt does when the harness is killed.
		{"abandoned", "assay.fault=hang", func(s *subject) error {
			s.libvirt.mu.Lock()
			defer s.libvirt.mu.Unlock()
			return s.libvirt.conn.raw.Close()
		}, EndDestroyed},
		{"powered-off", "assay.fault=poweroff", func(*subject) error { return nil }, EndShutdown},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := r.boot(r.direct(c.name, c.more))
			s.t = t
			if c.want != EndShutdown {
				s.console.await(t, "hanging as told", 1)
			}
			start := time.Now()
			if err := c.end(s); err != nil {
				t.Fatal(err)
			}
			s.awaitEnd(c.want)
			t.Logf("noticed after %s: %s", since(start), s.End())
			if err := s.Destroy(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	r.expectEmpty()
}

// emulator finds the guest's QEMU by the name libvirt gave it.
func (s *subject) emulator() int {
	s.t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range dirs {
		cmd, err := os.ReadFile(filepath.Join(d, "cmdline"))
		if err == nil && strings.Contains(string(cmd), "guest="+s.domainName()+",") {
			pid, err := strconv.Atoi(filepath.Base(d))
			if err != nil {
				s.t.Fatal(err)
			}
			return pid
		}
	}
	s.t.Fatalf("no process runs %s", s.domainName())
	return 0
}

// TestBootFails: what cannot start leaves nothing.
func TestBootFails(t *testing.T) {
	r := newRig(t)
	missing := r.direct("missing", "")
	missing.Disk, missing.DiskFormat = filepath.Join(r.dir, "none.qcow2"), "qcow2"
	refused := errors.New("no service today")
	unserved := r.direct("unserved", "")
	unserved.Listen = func(*network.Network) error { return refused }
	for want, spec := range map[string]Spec{"none.qcow2": missing, refused.Error(): unserved} {
		if _, err := r.host.Boot(t.Context(), spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", spec.Name, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.host.Boot(ctx, r.direct("late", "")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	r.expectEmpty()
}
