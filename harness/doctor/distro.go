package doctor

import (
	"bufio"
	"bytes"
	"io/fs"
	"strings"
)

// distro is the family of the host's distribution, for the commands we name.
type distro string

const (
	debian  distro = "debian"
	fedora  distro = "fedora"
	unknown distro = ""
)

// readDistro reads ID and ID_LIKE of os-release(5).
func readDistro(root fs.FS) distro {
	b, err := fs.ReadFile(root, "etc/os-release")
	if err != nil {
		return unknown
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), "=")
		if key != "ID" && key != "ID_LIKE" {
			continue
		}
		for _, id := range strings.Fields(strings.Trim(value, `"'`)) {
			switch id {
			case "debian", "ubuntu":
				return debian
			case "fedora", "rhel", "centos":
				return fedora
			}
		}
	}
	return unknown
}

// program is something to install, by the name of its package.
type program struct {
	name   string
	debian string
	fedora string
}

// install returns the command that installs packages.
func (e *examination) install(p program) []string {
	switch e.distro {
	case debian:
		return e.sudo("apt-get install -y --no-install-recommends " + p.debian)
	case fedora:
		return e.sudo("dnf install -y " + p.fedora)
	}
	return nil
}

// hasSystemd is sd_booted(3).
func (e *examination) hasSystemd() bool {
	_, err := fs.Stat(e.host.FS, "run/systemd/system")
	return err == nil
}
