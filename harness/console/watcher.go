package console

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// FileLimit bounds what one console writes to its file, in bytes. A boot
	// with every debug option on stays under 10 MiB.
	FileLimit = 64 << 20
	// tailBytes bounds the text that Tail and Since can give back.
	tailBytes = 1 << 20
)

// Watcher consumes one guest's console. Its methods may be called from several
// goroutines.
type Watcher struct {
	mu    sync.Mutex
	out   io.Writer
	now   func() time.Time
	limit int64

	split    splitter
	total    int64
	written  int64
	cut      bool
	writeErr error
	first    time.Time

	tail     []tailLine
	tailSize int
	findings []Finding
	perKind  map[Kind]int
	open     []open
	subs     map[int]chan Finding
	nextSub  int
	promptAt int64 // start of the line whose prompt has been reported, or -1
	looked   int64 // start of the line whose beginning holds no prompt, or -1
	said     int64
	waiting  string
	boot     bootState
}

type tailLine struct {
	text   string
	offset int64
}

// New returns a watcher that copies everything it is given to w, up to
// FileLimit. The caller closes w. now is the clock, time.Now outside tests.
func New(w io.Writer, now func() time.Time) *Watcher {
	c := &Watcher{
		out: w, now: now, limit: FileLimit,
		perKind: map[Kind]int{}, subs: map[int]chan Finding{}, promptAt: -1, looked: -1,
		boot: bootState{phase: inFirmware},
	}
	c.split.emit = c.line
	return c
}

// Write takes the next bytes of the console. It always accepts all of p: a file
// that cannot be written is told by Err, because a guest must be watched even when
// the host's disk is full.
func (c *Watcher) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if c.total == 0 {
		c.first = c.now()
	}
	c.total += int64(len(p))
	c.save(p)
	before := len(c.split.line)
	c.split.write(p)
	if now := c.split.line; len(now) > before && now[0] != '[' {
		c.said++ // a line that grows: dots, a prompt
	}
	c.unfinished()
	return len(p), nil
}

// jobRunning is how systemd says, twice a second and for as long as it takes,
// what the boot is waiting for.
var jobRunning = regexp.MustCompile(`\bA (?:start|stop) job is running for .*`)

// note counts a line as life, or remembers what it says the boot waits for.
func (c *Watcher) note(text string) {
	if job := jobRunning.FindString(text); job != "" {
		c.waiting = job
		return
	}
	if strings.TrimSpace(text) != "" {
		c.said++
	}
}

func (c *Watcher) save(p []byte) {
	if c.out == nil || c.cut || c.writeErr != nil {
		return
	}
	if room := c.limit - c.written; int64(len(p)) > room {
		p, c.cut = p[:room], true
	}
	n, err := c.out.Write(p)
	c.written += int64(n)
	if err == nil && c.cut {
		_, err = fmt.Fprintf(c.out, "\n[assay: the console was cut here, after %d bytes]\n", c.limit)
	}
	if err != nil {
		c.writeErr = fmt.Errorf("cannot write console file: %w", err)
	}
}

// unfinished looks for prompts in the line that has not ended.
func (c *Watcher) unfinished() {
	n := len(c.split.line)
	if !c.split.started || c.promptAt == c.split.start || c.looked == c.split.start && n > maxPrompt {
		return
	}
	if n >= maxPrompt {
		c.looked = c.split.start // it will not get any more prompt than this
	}
	c.prompts(c.split.line, "", c.split.start)
}

// prompts tries the prompt rules on a line, once per line. text is the line to
// show; empty while the line has not ended.
func (c *Watcher) prompts(line []byte, text string, start int64) {
	e := entry{author: raw, text: string(line[:min(len(line), maxPrompt)]), stamp: -1}
	for _, r := range promptRules {
		if r.when&c.boot.phase == 0 || !r.matches(&e) {
			continue
		}
		if r.kind == LoginPrompt && strings.HasPrefix(e.text, "Last ") {
			continue
		}
		c.promptAt = start
		c.report(r, &e, text, start, r.fatal&c.boot.phase != 0)
		return
	}
}

// line takes one finished line.
func (c *Watcher) line(b []byte, start int64) {
	text := shown(b)
	c.note(text)
	c.follow(text)
	if c.promptAt != start {
		c.prompts(b, text, start)
	}
	first, second := dissect(strings.ToValidUTF8(string(b), "\uFFFD"))
	c.entry(&first, text, start)
	if second != nil {
		c.entry(second, text, start)
	}
	c.remember(text, start)
}

// follow hands the line to the findings that wait for more.
func (c *Watcher) follow(text string) {
	c.open = slices.DeleteFunc(c.open, func(o open) bool { return o.left == 0 && !o.own })
	for i := range c.open {
		o := &c.open[i]
		f := &c.findings[o.index]
		if o.own {
			o.own, f.Line = false, text
		} else {
			o.left--
		}
		f.Lines = append(f.Lines, text)
	}
}

func (c *Watcher) remember(text string, start int64) {
	c.tail = append(c.tail, tailLine{text, start})
	c.tailSize += len(text)
	drop := 0
	for c.tailSize > tailBytes || len(c.tail)-drop > tailBytes/64 {
		c.tailSize -= len(c.tail[drop].text)
		drop++
	}
	if drop > 0 {
		c.tail = append(c.tail[:0], c.tail[drop:]...)
	}
}

// add keeps and delivers a finding. Fatal ones have room of their own, so that
// a flood of others cannot hide them.
func (c *Watcher) add(f Finding, text string, after int) {
	stillOpen := text == ""
	key := f.Kind
	if f.Fatal {
		key += "!"
	}
	if c.perKind[key] >= maxPerKind || len(c.findings) >= maxFindings && !f.Fatal {
		return
	}
	c.perKind[key]++
	f.At, f.Line = c.now(), text
	for _, t := range c.tail[max(0, len(c.tail)-linesBefore):] {
		f.Lines = append(f.Lines, t.text)
	}
	if !stillOpen {
		f.Lines = append(f.Lines, text)
	}
	c.findings = append(c.findings, f)
	if after > 0 || stillOpen {
		c.open = append(c.open, open{index: len(c.findings) - 1, left: after, own: stillOpen})
	}
	if stillOpen {
		f.Line = shown(c.split.line)
		f.Lines = append(slices.Clone(f.Lines), f.Line)
	}
	f.Lines = slices.Clone(f.Lines)
	for _, ch := range c.subs {
		select {
		case ch <- f:
		default: // the channel holds every finding there can be
		}
	}
}
