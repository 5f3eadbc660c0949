package upgrade

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"assay/harness/guest"
	"assay/harness/host"
	"assay/reports"
	"assay/suites/check"
	dt "assay/suites/deployments/deploymentstest"
	"assay/suites/suitetest"
)

func TestKernel(t *testing.T) {
	for _, tools := range [][]host.Tool{dt.Fedora, dt.Plain, dt.Images} {
		// boots is a host that was booted from folder old of /boot, and then as now tells.
		boots := func(now string) dt.Change {
			return func(h *dt.Host, e *check.Env) {
				e.Trees.DerivedImages = true
				h.On("sh", "-c", bootScript, "sh", "").Prints("digest=old\n")
				h.On("sh", "-c", bootScript, "sh", "old").Prints(now)
			}
		}
		suitetest.Run(t, "upgrade/kernel", []suitetest.Case{
			{Name: "healthy", Guest: dt.Fresh(t, tools, boots("digest=new\n"))},
			{Name: "no room", Want: reports.Failed, Says: []string{"No space left on device"}, Guest: dt.Fresh(t, tools, boots(""), func(h *dt.Host, _ *check.Env) {
				h.Answer = func(op dt.Op, _ string) *guest.Result {
					if op != dt.Upgrade && op != dt.Deploy {
						return nil
					}
					r := dt.Said("error: Installing kernel: regular file copy: No space left on device")
					return &r
				}
			})},
			{Name: "not booted", Want: reports.Failed, Says: []string{"want 1.3"}, Guest: dt.Fresh(t, tools, boots("digest=new\n"), dt.Then(dt.Reboot, dt.Stays))},
			{Name: "another kernel than the tree's", Want: reports.Failed, Says: []string{"/boot/ostree/os-new/vmlinuz-6.12"}, Guest: dt.Fresh(t, tools, boots("digest=new\nlost=/boot/ostree/os-new/vmlinuz-6.12\n"))},
			{Name: "no way back", Want: reports.Failed, Says: []string{"roll back to is gone"}, Guest: dt.Fresh(t, tools, boots("digest=new\nold=/boot/ostree/os-old\n"))},
			{Name: "the same kernel", Want: reports.Skipped, Says: []string{"the kernel that was there"}, Guest: dt.Fresh(t, tools, boots("digest=old\n"))},
			{Name: "an update that was given", Guest: dt.Fresh(t, tools, boots("digest=new\n"), func(_ *dt.Host, e *check.Env) { e.Trees.Derived, e.Trees.DerivedImages = false, false })},
			{Name: "none derived", Want: reports.Skipped, Says: []string{"no update with another kernel"},
				Guest: dt.Fresh(t, tools, func(_ *dt.Host, e *check.Env) {
					e.Trees.Kernel, e.Trees.KernelImage, e.Trees.DerivedImages = check.Tree{}, "", true
				})},
			{Name: "not ostree's", Want: reports.Skipped, Guest: dt.Fresh(t, tools, func(h *dt.Host, _ *check.Env) { h.On("sh", "-c", bootScript, "sh", "").Exits(127) })},
		})
	}
}

// TestBootScript: the files that booted are those of the booted tree.
func TestBootScript(t *testing.T) {
	for name, c := range map[string]struct {
		args, was string
		files     map[string]string
		want      string // without the root before paths
		exit      int
	}{
		"healthy": {"BOOT_IMAGE=(hd0)/ostree/x root=UUID=1 ostree=/ostree/boot.1/os/1f00/0 quiet", "0e",
			map[string]string{"boot/ostree/os-1f00/vmlinuz-6.1": "k", "boot/ostree/os-1f00/initramfs-6.1.img": "i", "boot/ostree/os-0e/vmlinuz-6.0": "",
				"usr/lib/modules/6.1/vmlinuz": "k", "usr/lib/modules/6.1/initramfs.img": "i"}, "digest=1f00\n", 0},
		"first look": {"ostree=/ostree/boot.0/os/1f00/0", "", map[string]string{"boot/ostree/os-1f00/vmlinuz-6.1": "k", "usr/lib/modules/6.1/vmlinuz": "k"}, "digest=1f00\n", 0},
		"half a copy": {"ostree=/ostree/boot.1/os/1f00/0", "1f00", map[string]string{"boot/ostree/os-1f00/vmlinuz-6.1": "k", "boot/ostree/os-1f00/initramfs-6.1.img": "",
			"usr/lib/modules/6.1/vmlinuz": "k", "usr/lib/modules/6.1/initramfs.img": "i"}, "digest=1f00\nlost=/boot/ostree/os-1f00/initramfs-6.1.img\n", 0},
		"elsewhere":  {"ostree=/ostree/boot.1/os/1f00/0", "", map[string]string{"usr/lib/modules/6.1/vmlinuz": "k"}, "digest=1f00\nlost=/boot/ostree/os-1f00\n", 0},
		"old gone":   {"ostree=/ostree/boot.1/os/1f00/0", "0e", map[string]string{"boot/ostree/os-1f00/vmlinuz-6.1": "k", "usr/lib/modules/6.1/vmlinuz": "k"}, "digest=1f00\nold=/boot/ostree/os-0e\n", 0},
		"no ostree":  {"root=/dev/vda1 quiet", "", nil, "", 127},
		"old layout": {"ostree=/ostree/boot.1/os/1f00/0", "", map[string]string{"boot/ostree/os-1f00/vmlinuz-6.1": "k"}, "digest=1f00\n", 0},
	} {
		root := t.TempDir()
		files := map[string]string{"proc/cmdline": c.args + "\n", "bin/uname": "#!/bin/sh\necho 6.1\n"}
		maps.Copy(files, c.files)
		for f, text := range files {
			path := filepath.Join(root, f)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
				t.Fatal(err)
			}
		}
		script := strings.NewReplacer("/proc/cmdline", root+"/proc/cmdline", "/boot/ostree", root+"/boot/ostree", "/usr/lib/modules", root+"/usr/lib/modules").Replace(bootScript)
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", c.was)
		cmd.Env = []string{"PATH=" + root + "/bin:" + os.Getenv("PATH")}
		out, _ := cmd.Output()
		if got := strings.ReplaceAll(string(out), root, ""); got != c.want || cmd.ProcessState.ExitCode() != c.exit {
			t.Errorf("%s: %q, %d; want %q, %d", name, got, cmd.ProcessState.ExitCode(), c.want, c.exit)
		}
	}
}
