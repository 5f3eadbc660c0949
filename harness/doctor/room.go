package doctor

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

const (
	// A reference image, its overlays and saved states.
	diskLeastMiB   = 4 << 10
	diskComfortMiB = 20 << 10
	// socketMax is the longest path of a unix socket (unix(7): 108 bytes with the NUL),
	// socketTail the longest we put behind the cache folder.
	socketMax  = 107
	socketTail = "/runs/0123456789ab/upgraded-booted-00/console.sock"
)

// room looks at memory, CPUs and disk.
func (e *examination) room() {
	l, err := e.host.Limits(e.opt.Cache)
	if err != nil {
		e.add("memory", Fail, nil, "%v", err)
		return
	}
	switch {
	case l.MemoryMiB < e.opt.MemoryMiB:
		e.add("memory", Fail, nil, "guests may use %d MiB, and one needs %d", l.MemoryMiB, e.opt.MemoryMiB)
	case l.MemoryMiB < 2*e.opt.MemoryMiB:
		e.add("memory", Warn, nil, "guests may use %d MiB: one at a time, and a run takes longer", l.MemoryMiB)
	default:
		e.add("memory", OK, nil, "guests may use %d MiB: %d at a time", l.MemoryMiB, l.MemoryMiB/max(1, e.opt.MemoryMiB))
	}
	if l.CPUs <= 2 {
		e.add("cpus", Warn, nil, "one CPU: guests run one after the other")
	} else {
		e.add("cpus", OK, nil, "%d virtual CPUs for guests", l.CPUs)
	}
	switch {
	case l.DiskMiB < diskLeastMiB:
		e.add("disk", Fail, []string{"df -h " + quote(e.existing(e.opt.Cache))}, "guests may use %d MiB where the cache is, and need %d", l.DiskMiB, diskLeastMiB)
	case l.DiskMiB < diskComfortMiB:
		e.add("disk", Warn, nil, "guests may use %d MiB where the cache is; large images may not fit", l.DiskMiB)
	default:
		e.add("disk", OK, nil, "guests may use %d MiB where the cache is", l.DiskMiB)
	}
}

// cache looks at the folder for images and runs: ours to write, QEMU's to
// enter, and short enough for sockets.
func (e *examination) cache() {
	dir := e.existing(e.opt.Cache)
	if err := e.host.Writable(dir); err != nil {
		e.add("cache", Fail, []string{"export ASSAY_CACHE=$HOME/assay-cache"}, "%s cannot be written: %v", dir, err)
	} else {
		e.add("cache", OK, nil, "%s", e.opt.Cache)
	}
	if n := len(e.opt.Cache) + len(socketTail); n > socketMax {
		e.add("sockets", Fail, []string{"export ASSAY_CACHE=/var/tmp/assay"},
			"the cache folder's path is %d bytes too long for the sockets in it", n-socketMax)
	}
	who, ok := e.qemuAccount()
	if !ok {
		return // no libvirt, or an account of the network: said above, or unknown
	}
	for p := strings.TrimPrefix(path.Clean(dir), "/"); ; p = path.Dir(p) {
		if p == "" {
			p = "."
		}
		info, err := fs.Stat(e.host.FS, p)
		if err == nil {
			if yes, known := who.may(info, 0o1); known && !yes {
				e.add("reach", Fail, []string{"export ASSAY_CACHE=/var/tmp/assay"},
					"%s, whom QEMU runs as, may not enter /%s on the way to the cache", who.name, p)
				return
			}
		}
		if p == "." {
			break
		}
	}
	e.add("reach", OK, nil, "%s, whom QEMU runs as, can enter the cache", who.name)
}

// existing is dir or the nearest folder above it that is there.
func (e *examination) existing(dir string) string {
	for {
		rel := strings.TrimPrefix(path.Clean(dir), "/")
		if rel == "" {
			return "/"
		}
		if _, err := fs.Stat(e.host.FS, rel); !errors.Is(err, fs.ErrNotExist) {
			return dir
		}
		dir = path.Dir(path.Clean(dir))
	}
}

// quote makes a word safe to type into a shell.
func quote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
