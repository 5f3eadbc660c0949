package console

import (
	"strconv"
	"strings"
)

const (
	// staleStamp is how far back, in seconds, a kernel line's time may lie
	// behind the newest one before it is taken for a quotation. Lines of several
	// CPUs and of the journal are out of order by far less.
	staleStamp = 10
	// stuckPool is how many seconds a work queue may be stuck, by the
	// kernel's account, before the boot counts as hung. A starved host recovers earlier.
	stuckPool = 240
)

// bootState is what is known of the boot that is under way.
type bootState struct {
	phase     phase
	stamps    bool    // the kernel prints time stamps
	rawKernel bool    // a kernel without time stamps has introduced itself
	userspace bool    // something that only user space prints was seen
	maxStamp  float64 // newest kernel time
	oopsed    bool
	shutdown  bool
	emulator  bool // an emulator fault was seen: what follows is its consequence
}

// entry judges one line of one author.
func (c *Watcher) entry(e *entry, text string, start int64) {
	fresh := true
	isIntroduction := e.author == kernel && strings.HasPrefix(e.text, "Linux version ")
	if e.stamp >= 0 && !isIntroduction {
		fresh = c.kernelSpoke(e.stamp)
	}
	switch e.author {
	case kernel:
		c.apply(kernelRules, e, text, start, fresh)
	case service:
		c.apply(serviceRules, e, text, start, fresh)
	case raw:
		c.rawLine(e, text, start)
	}
}

// kernelSpoke notes a time-stamped line: firmware is over, and raw text is no
// longer believed to be the kernel's. It reports whether the line is new rather
// than a quotation of an old one.
func (c *Watcher) kernelSpoke(stamp float64) (fresh bool) {
	b := &c.boot
	switch {
	case b.phase == inFirmware && !b.shutdown:
		b.phase = inBoot
	case b.phase == inFirmware && stamp < b.maxStamp-staleStamp:
		// The next kernel's first words; its own introduction was hidden.
		*b = bootState{phase: inBoot}
	}
	b.stamps = true
	fresh = stamp >= b.maxStamp-staleStamp
	b.maxStamp = max(b.maxStamp, stamp)
	return fresh
}

func (c *Watcher) rawLine(e *entry, text string, start int64) {
	b := &c.boot
	switch {
	case banner.MatchString(e.text):
		c.machineStarted(e, text, start)
	case strings.HasPrefix(e.text, "EFI stub: "):
		if b.phase == inFirmware {
			b.phase = inBoot
		}
	case strings.HasPrefix(e.text, "[  OK  ] ") || strings.HasPrefix(e.text, "Welcome to "):
		b.userspace = true
		if b.phase == inFirmware && !b.shutdown && e.text[0] == '[' {
			b.phase = inBoot
		}
	}
	c.apply(rawRules, e, text, start, true)
	if strings.HasPrefix(e.text, "Linux version ") && !b.stamps {
		b.rawKernel = true
	}
	if b.rawKernel || !b.stamps && !b.userspace {
		asKernel := entry{author: kernel, text: e.text, stamp: -1}
		c.apply(kernelRules, &asKernel, text, start, true)
	}
}

// apply reports every kind that the line is a finding of: a panic may be one
// for want of a root or of memory.
func (c *Watcher) apply(rules []rule, e *entry, text string, start int64, fresh bool) {
	var last Kind
	for i := range rules {
		r := &rules[i]
		if r.prompt || r.when&c.boot.phase == 0 || r.kind == last || !r.matches(e) {
			continue
		}
		last = r.kind
		fatal := fresh && r.fatal&c.boot.phase != 0
		if r.re == hungPool {
			secs, err := strconv.Atoi(hungPool.FindStringSubmatch(e.text)[1])
			fatal = fresh && err == nil && secs >= stuckPool
		}
		c.report(r, e, text, start, fatal)
		if r.kind == EmulatorFault {
			return
		}
	}
}

// report records a finding and moves the boot's state along.
func (c *Watcher) report(r *rule, e *entry, text string, start int64, fatal bool) {
	b := &c.boot
	kind := r.kind
	switch kind {
	case KernelStarted:
		if !c.kernelStarted(e, text, start) {
			return
		}
	case LoginPrompt, CloudInitFinished:
		b.phase, b.userspace = isUp, true
	case EmulatorFault:
		b.emulator = true
	case Oops, KernelPanic:
		b.oopsed = true
		if b.emulator {
			kind = EmulatorFault
		}
	case Shutdown:
		again := b.shutdown
		b.shutdown = true
		if r.re == lastWords || strings.HasPrefix(e.text, "kexec") {
			b.phase = inFirmware
		}
		if again {
			return
		}
	}
	c.add(Finding{Kind: kind, Fatal: fatal, Offset: start, Stamp: e.stamp}, text, r.after)
}

// kernelStarted begins a new boot, unless the kernel introduces itself once more in
// the same one, as it does to a console that an early one hands over to.
func (c *Watcher) kernelStarted(e *entry, text string, start int64) bool {
	old := c.boot
	if e.stamp >= 0 && old.stamps && old.phase == inBoot && !old.shutdown && old.maxStamp <= e.stamp+1 {
		return false
	}
	if old.phase == inBoot && !old.shutdown && old.maxStamp > e.stamp+1 {
		c.unexpected(old, e, text, start)
	}
	c.boot = bootState{phase: inBoot, stamps: e.stamp >= 0, rawKernel: e.stamp < 0, maxStamp: max(e.stamp, 0)}
	return true
}

// machineStarted is a firmware's or boot loader's banner.
func (c *Watcher) machineStarted(e *entry, text string, start int64) {
	old := c.boot
	if old.phase == inBoot && !old.shutdown {
		c.unexpected(old, e, text, start)
	}
	c.boot = bootState{phase: inFirmware}
}

func (c *Watcher) unexpected(old bootState, e *entry, text string, start int64) {
	if old.emulator {
		return
	}
	c.add(Finding{Kind: UnexpectedReboot, Fatal: old.oopsed, Offset: start, Stamp: e.stamp}, text, 2)
}
