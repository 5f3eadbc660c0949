package doctor

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"assay/harness/accel"
	"assay/harness/capacity"
)

var opt = Options{Cache: "/var/cache/assay", URI: "qemu:///system", MemoryMiB: 2048}

func dir(mode fs.FileMode, uid, gid uint32) *fstest.MapFile {
	return &fstest.MapFile{Mode: fs.ModeDir | mode, Sys: &syscall.Stat_t{Uid: uid, Gid: gid}}
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o644} }

// healthy is a Debian host with KVM on which nothing is missing.
func healthy() (Host, fstest.MapFS) {
	root := fstest.MapFS{
		"etc/os-release":                       file("PRETTY_NAME=\"Debian\"\nID=debian\n"),
		"etc/passwd":                           file("root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\nlibvirt-qemu:x:64055:104::/:/bin/false\n"),
		"etc/group":                            file("kvm:x:104:\nlibvirt:x:110:me\n"),
		"run/systemd/system":                   dir(0o755, 0, 0),
		"var":                                  dir(0o755, 0, 0),
		"var/cache":                            dir(0o755, 0, 0),
		"dev/kvm":                              {Mode: fs.ModeDevice | 0o660, Sys: &syscall.Stat_t{Uid: 0, Gid: 104}},
		"usr/share/OVMF/OVMF_CODE_4M.fd":       file(""),
		"usr/share/qemu/firmware/60-edk2.json": file("{}"),
		"usr/share/seabios/bios-256k.bin":      file(""),
		"usr/share/qemu/firmware/50-edk2-other.json": file("{}"),
	}
	return Host{
		UID: 1000, User: "me", FS: root,
		LookPath: func(name string) (string, error) { return "/usr/bin/" + name, nil },
		Output:   func(_ context.Context, name string, _ ...string) (string, error) { return name + " 1.2\nmore", nil },
		Libvirt:  func(context.Context, string) (string, string, error) { return "9.0.0", "7.2.0", nil },
		Accel:    func(context.Context) (accel.Kind, string, error) { return accel.KVM, "a guest ran", nil },
		Limits: func(string) (capacity.Limits, error) {
			return capacity.Limits{MemoryMiB: 16000, CPUs: 8, DiskMiB: 90000}, nil
		},
		Writable: func(string) error { return nil },
	}, root
}

func find(r Report, name string) (c Check) {
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	return Check{Status: "absent"}
}

func TestAHealthyHost(t *testing.T) {
	h, _ := healthy()
	r := Examine(t.Context(), opt, h)
	for _, c := range r.Checks {
		if c.Status != OK || c.Found == "" || len(c.Mend) > 0 {
			t.Errorf("%+v", c)
		}
	}
	if !r.Ready || len(r.Checks) < 10 {
		t.Errorf("ready %v after %d checks", r.Ready, len(r.Checks))
	}
}

func TestWhatIsMissingIsNamedWithItsCure(t *testing.T) {
	missing := errors.New("not found")
	for name, tt := range map[string]struct {
		break_ func(*Host, fstest.MapFS)
		opt    func(*Options)
		check  string
		want   Status
		mend   string
	}{
		"no qemu": {func(h *Host, _ fstest.MapFS) {
			h.LookPath = func(n string) (string, error) { return "", missing }
		}, nil, "qemu", Fail, "sudo apt-get install -y --no-install-recommends qemu-system-x86"},
		"no xz on Fedora": {func(h *Host, root fstest.MapFS) {
			root["etc/os-release"] = file("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n")
			h.LookPath = func(n string) (string, error) {
				if n == "xz" {
					return "", missing
				}
				return n, nil
			}
		}, nil, "xz", Warn, "sudo dnf install -y xz"},
		"no UEFI": {func(_ *Host, root fstest.MapFS) { delete(root, "usr/share/OVMF/OVMF_CODE_4M.fd") }, nil, "uefi", Warn, "ovmf"},
		"libvirt down": {func(h *Host, _ fstest.MapFS) {
			h.Libvirt = func(context.Context, string) (string, string, error) { return "", "", missing }
		}, nil, "libvirt", Fail, "sudo systemctl enable --now virtqemud.socket"},
		"libvirt down, no systemd": {func(h *Host, root fstest.MapFS) {
			h.UID = 0
			delete(root, "run/systemd/system")
			h.Libvirt = func(context.Context, string) (string, string, error) { return "", "", missing }
		}, nil, "libvirt", Fail, "libvirtd -d"},
		"libvirt forbidden": {func(h *Host, _ fstest.MapFS) {
			h.Libvirt = func(context.Context, string) (string, string, error) { return "", "", fs.ErrPermission }
		}, nil, "libvirt", Fail, "sudo usermod -aG libvirt me"},
		"no virtlogd": {func(_ *Host, root fstest.MapFS) { delete(root, "run/systemd/system") }, nil, "virtlogd", Fail, "virtlogd -d"},
		"emulation": {func(h *Host, _ fstest.MapFS) {
			h.Accel = func(context.Context) (accel.Kind, string, error) { return accel.TCG, "no /dev/kvm", nil }
		}, nil, "kvm", Warn, ""},
		"emulation by an old QEMU": {func(h *Host, _ fstest.MapFS) {
			h.Accel = func(context.Context) (accel.Kind, string, error) { return accel.TCG, "no /dev/kvm", nil }
			h.Output = func(context.Context, string, ...string) (string, error) {
				return "QEMU emulator version 8.0.4 (Debian)\n", nil
			}
		}, nil, "emulation", Warn, ""},
		"emulation by QEMU 8.1": {func(h *Host, _ fstest.MapFS) {
			h.Accel = func(context.Context) (accel.Kind, string, error) { return accel.TCG, "no /dev/kvm", nil }
			h.Output = func(context.Context, string, ...string) (string, error) { return "QEMU emulator version 8.1.0\n", nil }
		}, nil, "emulation", "absent", ""},
		"KVM for root alone": {func(_ *Host, root fstest.MapFS) {
			root["dev/kvm"] = &fstest.MapFile{Mode: fs.ModeDevice | 0o600, Sys: &syscall.Stat_t{}}
		}, nil, "start", Warn, "sudo chmod 0660 /dev/kvm"},
		"little memory": {func(h *Host, _ fstest.MapFS) {
			h.Limits = func(string) (capacity.Limits, error) {
				return capacity.Limits{MemoryMiB: 1000, CPUs: 2, DiskMiB: 90000}, nil
			}
		}, nil, "memory", Fail, ""},
		"little disk": {func(h *Host, _ fstest.MapFS) {
			h.Limits = func(string) (capacity.Limits, error) {
				return capacity.Limits{MemoryMiB: 9000, CPUs: 4, DiskMiB: 100}, nil
			}
		}, nil, "disk", Fail, "df -h /var/cache"},
		"cache not ours": {func(h *Host, _ fstest.MapFS) {
			h.Writable = func(d string) error {
				if d != "/var/cache" {
					t.Errorf("asked for %s", d)
				}
				return fs.ErrPermission
			}
		}, nil, "cache", Fail, "export ASSAY_CACHE="},
		"cache out of QEMU's reach": {func(_ *Host, root fstest.MapFS) {
			root["root"], root["root/.cache"] = dir(0o700, 0, 0), dir(0o755, 0, 0)
		}, func(o *Options) { o.Cache = "/root/.cache/assay" }, "reach", Fail, "export ASSAY_CACHE="},
		"long path": {func(*Host, fstest.MapFS) {}, func(o *Options) { o.Cache = "/var/cache/" + strings.Repeat("x", 60) }, "sockets", Fail, "export"},
	} {
		t.Run(name, func(t *testing.T) {
			h, root := healthy()
			tt.break_(&h, root)
			o := opt
			if tt.opt != nil {
				tt.opt(&o)
			}
			r := Examine(t.Context(), o, h)
			c := find(r, tt.check)
			if c.Status != tt.want || !strings.Contains(strings.Join(c.Mend, "\n"), tt.mend) {
				t.Errorf("%+v, want %s mended by %q", c, tt.want, tt.mend)
			}
			if r.Ready != (tt.want != Fail) {
				t.Errorf("ready is %v", r.Ready)
			}
			var text strings.Builder
			if err := r.Text(&text); err != nil || !strings.Contains(text.String(), c.Found) {
				t.Errorf("text %v:\n%s", err, &text)
			}
		})
	}
}

func TestWhoQEMURunsAs(t *testing.T) {
	h, root := healthy()
	root["etc/libvirt/qemu.conf"] = file("# user = \"nobody\"\nuser = \"root\"\ngroup = \"root\"\n")
	root["root"] = dir(0o700, 0, 0)
	root["dev/kvm"] = &fstest.MapFile{Mode: fs.ModeDevice | 0o600, Sys: &syscall.Stat_t{}}
	o := opt
	o.Cache = "/root/assay"
	r := Examine(t.Context(), o, h)
	if c := find(r, "reach"); c.Status != OK || !strings.HasPrefix(c.Found, "root,") {
		t.Errorf("%+v", c)
	}
	if c := find(r, "start"); c.Status != "absent" {
		t.Errorf("%+v", c)
	}
	o.URI, o.Cache = "qemu:///session", "/home/me/assay"
	root["home"], root["home/me"] = dir(0o755, 0, 0), dir(0o700, 1000, 1000)
	if c := find(Examine(t.Context(), o, h), "reach"); c.Status != OK || !strings.HasPrefix(c.Found, "me,") {
		t.Errorf("%+v", c)
	}
}
