package console

import (
	"regexp"
	"strconv"
	"strings"
)

// author is who wrote a line.
type author uint8

const (
	raw     author = iota // no sign of an author
	kernel                // "[   12.345678] text"
	service               // "[   12.345678] name[pid]: text", or the same with a date
)

// entry is one line, taken apart.
type entry struct {
	author author
	// name and pid of a service.
	name, pid string
	text      string
	// stamp is the kernel time of the line in seconds, or -1.
	stamp float64
}

var (
	// printk's header: "[%5lu.%06lu]", then the caller when the kernel is
	// built to print it, and before it the level when a console asks for that.
	kernelHeader = regexp.MustCompile(`^(?:<\d{1,3}>)?\[ *(\d{1,9}\.\d{6})\](?:\[ *[TC]\d+\])? ?`)
	innerHeader  = regexp.MustCompile(`\[ *\d{1,9}\.\d{6}\](?:\[ *[TC]\d+\])? `)
	// journald's and syslog's "name[pid]: ". The kernel prints "foo[12]: segfault at",
	// "systemd[1]: " and "audit: " itself; those without a pid stay kernel lines.
	identHeader = regexp.MustCompile(`^([\w@.:/+()\\-]{1,128})\[(\d{1,10})\]: ?`)
	dateHeader  = regexp.MustCompile(`^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?:([\w.-]{1,255}) )?([\w@.:/+()\\-]{1,128}?)(?:\[(\d{1,10})\])?: ?`)
)

// dissect finds a line's author. A kernel line that follows unfinished text (a prompt, a
// script's output) is returned as a second entry.
func dissect(line string) (first entry, second *entry) {
	line = strings.TrimRight(line, " \t")
	if m := kernelHeader.FindStringSubmatch(line); m != nil {
		return stamped(line[len(m[0]):], m[1]), nil
	}
	if m := dateHeader.FindStringSubmatch(line); m != nil {
		return entry{author: service, name: m[2], pid: m[3], text: line[len(m[0]):], stamp: -1}, nil
	}
	if m := identHeader.FindStringSubmatch(line); m != nil {
		return entry{author: service, name: m[1], pid: m[2], text: line[len(m[0]):], stamp: -1}, nil
	}
	first = entry{author: raw, text: line, stamp: -1}
	if at := innerHeader.FindStringIndex(line); at != nil && isUnfinished(line[:at[0]]) {
		if m := kernelHeader.FindStringSubmatch(line[at[0]:]); m != nil {
			e := stamped(line[at[0]+len(m[0]):], m[1])
			first.text, second = strings.TrimRight(line[:at[0]], " "), &e
		}
	}
	return first, second
}

func stamped(text, stamp string) entry {
	e := entry{author: kernel, text: text, stamp: -1}
	if v, err := strconv.ParseFloat(stamp, 64); err == nil {
		e.stamp = v
	}
	if m := identHeader.FindStringSubmatch(text); m != nil && !strings.HasPrefix(text[len(m[0]):], "segfault at ") {
		e.author, e.name, e.pid, e.text = service, m[1], m[2], text[len(m[0]):]
	}
	return e
}

// isUnfinished reports whether text may be what a program had printed without a
// line end when the kernel spoke: short, and neither an entry of a log nor a quotation.
func isUnfinished(text string) bool {
	return len(text) <= 64 && !strings.Contains(text, "]: ") && !strings.ContainsAny(text, "\"'`")
}
