package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"assay/harness"
	"assay/reports"
)

// progress shows a run as it goes: on a terminal a status line below the
// lines that stay, elsewhere one dated line for each change.
type progress struct {
	out  *os.File
	live bool

	// turn is held by who has the terminal to itself; the run goes on meanwhile.
	turn sync.Mutex

	mu      sync.Mutex
	paused  bool
	held    []string // lines for after the pause
	running map[string]time.Time
	status  string // what the status line shows now
	checks  int
	total   int
	stop    chan struct{}
	stopped sync.WaitGroup
	once    sync.Once
}

func newProgress(out *os.File) *progress {
	p := &progress{out: out, live: term.IsTerminal(int(out.Fd())), running: map[string]time.Time{}, stop: make(chan struct{})}
	if p.live {
		p.stopped.Go(p.tick)
	}
	return p
}

// tick redraws the status line, for the seconds in it.
func (p *progress) tick() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.mu.Lock()
			if !p.paused {
				p.draw()
			}
			p.mu.Unlock()
		case <-p.stop:
			return
		}
	}
}

// show is the run's Progress function.
func (p *progress) show(e harness.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Total > 0 {
		p.checks, p.total = max(p.checks, e.Checks), e.Total
	}
	text := reports.Line(e.Text, 300)
	key := e.Stage + " " + e.Name
	if e.Done {
		delete(p.running, key)
	} else {
		p.running[key] = e.Time
	}
	switch {
	case !p.live && (e.Done || e.Stage != "check"):
		mark := ""
		if e.Done && !e.OK {
			mark = "FAILED "
		}
		if !e.Done {
			text += " ..."
		}
		p.line(fmt.Sprintf("%s %s%s\n", e.Time.Format(time.RFC3339), mark, text))
	case p.live && e.Done && (e.Stage != "check" || !e.OK):
		mark := "✓"
		switch {
		case !e.OK:
			mark = "✗"
		case e.Stage == "note" || e.Stage == "retry":
			mark = "·"
		}
		p.line(fmt.Sprintf("%s %s\n", mark, text))
	}
	if p.live && !p.paused {
		p.draw()
	}
}

// line prints a line that stays, after the pause if there is one; p.mu is held.
func (p *progress) line(text string) {
	if p.paused {
		if len(p.held) < heldLines {
			p.held = append(p.held, text)
		}
		return
	}
	p.clear()
	fmt.Fprint(p.out, text)
}

// heldLines bounds what a pause of hours keeps.
const heldLines = 10000

// clear and draw handle the status line; p.mu is held.
func (p *progress) clear() {
	if p.status != "" {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.status = ""
	}
}

func (p *progress) draw() {
	p.clear()
	if len(p.running) == 0 {
		return
	}
	keys := make([]string, 0, len(p.running))
	for k := range p.running {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(a, b int) bool { return p.running[keys[a]].Before(p.running[keys[b]]) })
	parts := make([]string, 0, len(keys))
	for _, k := range keys {
		if strings.HasPrefix(k, "suite ") {
			continue // its checks say more
		}
		parts = append(parts, fmt.Sprintf("%s %s", strings.TrimPrefix(k, "check "), time.Since(p.running[k]).Round(time.Second)))
	}
	line := strings.Join(parts, "  ")
	if p.total > 0 {
		line = fmt.Sprintf("%d/%d checks  %s", p.checks, p.total, line)
	}
	width, _, err := term.GetSize(int(p.out.Fd()))
	if err != nil || width < 20 {
		width = 80
	}
	if r := []rune(line); len(r) >= width {
		line = string(r[:width-1])
	}
	p.status = line
	fmt.Fprint(p.out, line)
}

// pause runs f with the terminal to itself. Others who want it wait; what
// happens meanwhile is shown afterwards, so that nothing waits for a person.
func (p *progress) pause(f func()) {
	p.turn.Lock()
	defer p.turn.Unlock()
	p.mu.Lock()
	p.clear()
	p.paused = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.paused = false
		for _, text := range p.held {
			fmt.Fprint(p.out, text)
		}
		p.held = nil
	}()
	f()
}

// close ends the display; it may be called twice.
func (p *progress) close() {
	p.once.Do(func() {
		close(p.stop)
		p.stopped.Wait()
		p.mu.Lock()
		p.clear()
		p.mu.Unlock()
	})
}
