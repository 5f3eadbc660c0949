package machine

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestForkSources: the pipe and the file give libvirt the same bytes.
func TestForkSources(t *testing.T) {
	dir := t.TempDir()
	saved := filepath.Join(dir, "saved")
	content := bytes.Repeat([]byte("0123456789abcdef!"), 300000)
	if err := os.WriteFile(saved, content, 0o600); err != nil {
		t.Fatal(err)
	}
	head := []byte("a head of another length")
	for _, from := range []int64{0, 1, 4096, 5000, int64(len(content)) - 3} {
		want := append(bytes.Clone(head), content[from:]...)

		file := filepath.Join(dir, "file")
		if err := writeFork(file, head, saved, from); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("from %d: the file has %d bytes, %v; want %d", from, len(got), err, len(want))
		}
		os.Remove(file)

		f, err := startFeeder(filepath.Join(dir, "pipe"), head, saved, from)
		if err != nil {
			t.Fatal(err)
		}
		r, err := os.Open(f.path)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("from %d: the pipe differs: %v", from, err)
		}
		if len(want) <= pipeSize {
			if err := f.stop(); err != nil {
				t.Errorf("from %d: %v", from, err)
			}
		}
		// The end comes without stop, for a QEMU that misses something.
		r.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("from %d: after the end: %d bytes, %v", from, n, err)
		}
		if len(want) > pipeSize {
			if err := f.stop(); err != nil {
				t.Errorf("from %d: %v", from, err)
			}
		}
		r.Close()
		if _, err := os.Lstat(f.path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the pipe is left: %v", err)
		}
	}
}

// TestFeederStops: nobody reads, as when libvirt refused at once.
func TestFeederStops(t *testing.T) {
	dir := t.TempDir()
	saved := filepath.Join(dir, "saved")
	if err := os.WriteFile(saved, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := startFeeder(filepath.Join(dir, "pipe"), []byte("head"), saved, 0)
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- f.stop() }()
	select {
	case err := <-stopped:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the feeder does not stop")
	}
	if _, err := startFeeder(filepath.Join(dir, "pipe2"), nil, filepath.Join(dir, "missing"), 0); err == nil {
		t.Error("fed a file that is not there")
	}
}
