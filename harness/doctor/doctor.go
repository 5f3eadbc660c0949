// Package doctor says whether a host can run guests, what is missing, and the
// command that mends it.
//
// It changes nothing: it reads files, asks programs for their version, opens a connection to
// libvirt (which starts a user's own daemon, as any client does, and which ends by
// itself) and lets the accelerator's probe run. It needs nothing of the host;
// whatever is absent becomes a line of the report.
package doctor

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// Status is how one check ended.
type Status string

// Only Fail keeps guests from running. Warn is slow, or keeps some guests from running.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Check is one line of the report.
type Check struct {
	// Name is what was looked at: "qemu", "libvirt".
	Name   string `json:"name"`
	Status Status `json:"status"`
	// Found says what was found, in one sentence.
	Found string `json:"found"`
	// Mend are the commands that mend it, to be typed in this order; none where
	// no command can.
	Mend []string `json:"mend,omitempty"`
}

// Report is everything that was looked at.
type Report struct {
	// Ready says that guests can run.
	Ready  bool    `json:"ready"`
	Checks []Check `json:"checks"`
}

// Options say for which run to look.
type Options struct {
	// Cache is the folder for images and runs. It need not exist.
	Cache string
	// URI is the libvirt connection to use.
	URI string
	// MemoryMiB is what one guest gets.
	MemoryMiB int
}

// Examine looks at the host. ctx bounds the whole.
func Examine(ctx context.Context, opt Options, h Host) Report {
	e := &examination{opt: opt, host: h, distro: readDistro(h.FS)}
	e.programs(ctx)
	e.firmware()
	e.libvirt(ctx)
	e.accelerator(ctx)
	e.room()
	e.cache()
	r := Report{Ready: true, Checks: e.checks}
	for _, c := range r.Checks {
		r.Ready = r.Ready && c.Status != Fail
	}
	return r
}

// Text writes the report for a person.
func (r Report) Text(w io.Writer) error {
	var b strings.Builder
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%-5s %-10s %s\n", c.Status, c.Name, c.Found)
		for _, m := range c.Mend {
			fmt.Fprintf(&b, "%17s$ %s\n", "", m)
		}
	}
	if r.Ready {
		b.WriteString("\nThis host can run guests.\n")
	} else {
		b.WriteString("\nThis host cannot run guests yet: see the lines that begin with \"fail\".\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// examination collects the checks of one Examine.
type examination struct {
	opt    Options
	host   Host
	distro distro
	checks []Check
	qemu   string // how QEMU introduces itself
}

func (e *examination) add(name string, s Status, mend []string, format string, args ...any) {
	e.checks = append(e.checks, Check{Name: name, Status: s, Found: fmt.Sprintf(format, args...), Mend: mend})
}

// sudo puts "sudo" before commands that need root, unless we are root.
func (e *examination) sudo(commands ...string) []string {
	if e.host.UID == 0 {
		return commands
	}
	out := make([]string, len(commands))
	for i, c := range commands {
		out[i] = "sudo " + c
	}
	return out
}
