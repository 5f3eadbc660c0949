package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/harness"
)

// TestPauseHoldsNobodyUp shows lines that came while a person had the terminal
// only afterwards, and lets the run go on meanwhile.
func TestPauseHoldsNobodyUp(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := newProgress(out)
	defer p.close()
	read := func() string {
		text, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	p.pause(func() {
		p.show(harness.Progress{Time: time.Now(), Stage: "note", Done: true, OK: true, Text: "meanwhile"}) // a lock would hang here
		if s := read(); s != "" {
			t.Errorf("while paused it printed %q", s)
		}
	})
	if s := read(); !strings.Contains(s, "meanwhile") {
		t.Errorf("after the pause it had printed %q", s)
	}
}
