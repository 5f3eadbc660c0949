package doctor

import (
	"context"
	"errors"
	"io/fs"
	"strings"
)

func (e *examination) libvirt(ctx context.Context) {
	lib, qemu, err := e.host.Libvirt(ctx, e.opt.URI)
	switch {
	case err == nil:
		e.add("libvirt", OK, nil, "libvirt %s with QEMU %s answers on %s", lib, qemu, e.opt.URI)
	case errors.Is(err, fs.ErrPermission):
		e.add("libvirt", Fail, append(e.sudo("usermod -aG libvirt "+e.host.User), "newgrp libvirt"),
			"%s may not use %s: %v", e.host.User, e.opt.URI, err)
	default:
		e.add("libvirt", Fail, e.startLibvirt(), "no libvirt daemon answers on %s: %v", e.opt.URI, err)
	}
	// Every guest's own messages go through virtlogd unless libvirt is told otherwise.
	if err == nil && !e.isSession() && !e.hasSystemd() && !e.logsToFiles() {
		if _, err := fs.Stat(e.host.FS, "run/libvirt/virtlogd-sock"); err != nil {
			e.add("virtlogd", Fail, e.sudo("virtlogd -d"), "virtlogd does not run, and no service manager starts it: guests cannot start")
		}
	}
}

func (e *examination) isSession() bool { return strings.Contains(e.opt.URI, "/session") }

// startLibvirt returns the commands that bring up a daemon.
func (e *examination) startLibvirt() []string {
	has := func(name string) bool { _, err := e.host.LookPath(name); return err == nil }
	switch {
	case !has("libvirtd") && !has("virtqemud"):
		mend := e.install(program{"libvirt", "libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients",
			"libvirt-daemon-driver-qemu libvirt-client"})
		if !e.hasSystemd() {
			mend = append(mend, e.sudo("virtlogd -d", "libvirtd -d")...)
		}
		return mend
	case e.isSession():
		return []string{"virsh -c qemu:///session version"}
	case e.hasSystemd() && has("virtqemud"):
		return e.sudo("systemctl enable --now virtqemud.socket virtlogd.socket")
	case e.hasSystemd():
		return e.sudo("systemctl enable --now libvirtd.socket virtlogd.socket")
	case has("libvirtd"):
		return e.sudo("virtlogd -d", "libvirtd -d")
	}
	return e.sudo("virtlogd -d", "virtqemud -d")
}

// logsToFiles reports whether qemu.conf takes virtlogd out of the way.
func (e *examination) logsToFiles() bool { return e.qemuConf()["stdio_handler"] == "file" }

// qemuConf reads the settings that are not commented out. Without the right to
// read the file it is empty, and the defaults are assumed.
func (e *examination) qemuConf() map[string]string {
	conf := map[string]string{}
	b, err := fs.ReadFile(e.host.FS, "etc/libvirt/qemu.conf")
	if err != nil {
		return conf
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			conf[strings.TrimSpace(key)] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return conf
}
