package harness

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// durations remembers how long jobs, and checks of those that can be split, took on
// this host. Losing it costs a little time and nothing else, so every error in
// reading or writing it is the same as not remembering.
type durations struct {
	path string
	mu   sync.Mutex
	// seconds by job key or check id, an average that forgets by half each time.
	seconds map[string]float64
}

func loadDurations(path string) *durations {
	d := &durations{path: path, seconds: map[string]float64{}}
	if b, err := os.ReadFile(path); err == nil {
		_ = json.Unmarshal(b, &d.seconds)
	}
	if d.seconds == nil {
		d.seconds = map[string]float64{}
	}
	return d
}

func (d *durations) add(key string, took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if old, ok := d.seconds[key]; ok {
		d.seconds[key] = (old + took.Seconds()) / 2
		return
	}
	d.seconds[key] = took.Seconds()
}

func (d *durations) get() map[string]float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]float64, len(d.seconds))
	for k, v := range d.seconds {
		out[k] = v
	}
	return out
}

func (d *durations) save() {
	b, err := json.Marshal(d.get())
	if err != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(d.path), ".durations-*")
	if err != nil {
		return
	}
	_, werr := f.Write(b)
	if cerr := f.Close(); werr != nil || cerr != nil || os.Rename(f.Name(), d.path) != nil {
		os.Remove(f.Name())
	}
}
