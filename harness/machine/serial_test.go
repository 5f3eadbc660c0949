package machine

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

type lockedBuffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	fail bool
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail {
		return 0, errors.New("no more")
	}
	return l.b.Write(p)
}

func TestSerialKeepsEveryByte(t *testing.T) {
	for name, dir := range map[string]string{"short": t.TempDir(), "long": longDir(t)} {
		t.Run(name, func(t *testing.T) {
			var got lockedBuffer
			s, err := listenSerial(dir, "g.serial", &got)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.path) > maxSocketPath {
				t.Errorf("path of %d bytes", len(s.path))
			}
			c, err := net.Dial("unix", s.path)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Repeat("0123456789", 50000)
			if _, err := c.Write([]byte(want)); err != nil {
				t.Fatal(err)
			}
			c.Close()
			select {
			case <-s.eof:
			case <-time.After(10 * time.Second):
				t.Fatal("the end was not seen")
			}
			s.close()
			s.close()
			if got.b.String() != want {
				t.Errorf("got %d bytes, want %d", got.b.Len(), len(want))
			}
			if _, err := os.Lstat(s.path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket is left: %v", err)
			}
		})
	}
}

func longDir(t *testing.T) string {
	d := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(d, 0o755); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSerialWithoutQEMU(t *testing.T) {
	s, err := listenSerial(t.TempDir(), "g.serial", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.close()
	<-s.eof
}

// TestSerialOutlivesItsWriter: a full disk on our side must not stall a guest.
func TestSerialOutlivesItsWriter(t *testing.T) {
	s, err := listenSerial(t.TempDir(), "g.serial", &lockedBuffer{fail: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	c, err := net.Dial("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(make([]byte, 4<<20)); err != nil {
		t.Errorf("the guest stalled: %v", err)
	}
}
