package machine

import (
	"strings"
	"testing"
)

func TestLastWords(t *testing.T) {
	start := "2026-11-21 05:16:53.298+0000: starting up libvirt version: 9.0.0\nLC_ALL=C \\\n/usr/bin/qemu-system-x86_64 \\\n-name guest=x\n"
	tainted := "2026-11-21 05:16:53.298+0000: Domain id=38 is tainted: high-privileges\n"
	words := "2026-11-21T05:17:53.289465Z qemu-system-x86_64: cannot allocate memory\n"
	down := "2026-11-21 05:17:54.298+0000: shutting down, reason=failed\n"
	for _, c := range []struct{ log, want string }{
		{start + tainted + words + down, "qemu-system-x86_64: cannot allocate memory"},
		{start + tainted + down, ""},
		{words + start + tainted + down, ""},
		{"", ""},
		{strings.Repeat("x", 3*maxLastWords), ""},
	} {
		if got := lastWords(strings.NewReader(c.log)); got != c.want {
			t.Errorf("last words %q, want %q, of:\n%.300s", got, c.want, c.log)
		}
	}
}
