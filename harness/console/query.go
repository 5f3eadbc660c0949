package console

import (
	"slices"
	"time"
)

// Findings returns everything recognised so far, in the order of the console.
// A guest that floods its console gets at most 64 findings of a kind, and as
// many fatal ones besides.
func (c *Watcher) Findings() []Finding { return c.FindingsSince(0) }

// FindingsSince returns the findings whose line starts at or after a Mark.
func (c *Watcher) FindingsSince(mark int64) []Finding {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Finding
	for i, f := range c.findings {
		if f.Offset < mark {
			continue
		}
		f.Lines = slices.Clone(f.Lines)
		for _, o := range c.open {
			if o.index == i && o.own && c.split.started {
				f.Line = shown(c.split.line)
				f.Lines = append(f.Lines, f.Line)
			}
		}
		out = append(out, f)
	}
	return out
}

// Fatal returns the first finding at or after mark that ends a boot.
func (c *Watcher) Fatal(mark int64) (Finding, bool) {
	for _, f := range c.FindingsSince(mark) {
		if f.Fatal {
			return f, true
		}
	}
	return Finding{}, false
}

// Subscribe returns a channel that gets each finding from now on; earlier ones
// are in Findings, so subscribe first and look there second. The channel holds
// all that can come: Write never waits for its reader. cancel closes it and may
// be called twice.
func (c *Watcher) Subscribe() (findings <-chan Finding, cancel func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan Finding, maxFindings+maxPerKind*len(facts)-len(c.findings))
	id := c.nextSub
	c.nextSub++
	c.subs[id] = ch
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if _, ok := c.subs[id]; ok {
			delete(c.subs, id)
			close(ch)
		}
	}
}

// FirstByte is when the console's first byte came; zero while there was none.
func (c *Watcher) FirstByte() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.first
}

// Bytes is how many bytes came, those beyond FileLimit included.
func (c *Watcher) Bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// Said changes when the guest says something new, which the repeated word that it
// waits for a job is not.
func (c *Watcher) Said() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said
}

// Waiting is the last job that systemd said it waits for, as it said it; empty if
// it never did.
func (c *Watcher) Waiting() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting
}

// Err is why the console's file is not complete: a failed write. A file cut at
// FileLimit says so itself and is no error.
func (c *Watcher) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writeErr
}

// Mark is the current end of the console, for Since, FindingsSince and Fatal: take it
// before a reboot to see what the reboot brought.
func (c *Watcher) Mark() int64 { return c.Bytes() }

// Tail returns the last n lines, oldest first, without escape sequences; a
// line that has not ended is one of them.
func (c *Watcher) Tail(n int) []string {
	all := c.Since(0)
	return all[max(0, len(all)-max(n, 0)):]
}

// Since returns the lines that start at or after a Mark, without escape
// sequences. Only the last MiB of text is kept.
func (c *Watcher) Since(mark int64) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, t := range c.tail {
		if t.offset >= mark {
			out = append(out, t.text)
		}
	}
	if c.split.started && c.split.start >= mark {
		out = append(out, shown(c.split.line))
	}
	return out
}
