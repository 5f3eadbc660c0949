package guest

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseFacts(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	got := parseFacts("m x86_64\nr 6.12.1\no PRETTY_NAME=\"Debian GNU/Linux 13\"\no ID=debian\no VERSION_ID='13'\no # c x\nc " + sum + "\nf origin:debian/x\nv '2026.2'\nd 'sha256:" + sum + "'\n")
	if got.ImageDigest != "sha256:"+sum {
		t.Errorf("digest %q", got.ImageDigest)
	}
	if got.Arch != "x86_64" || got.Kernel != "6.12.1" || got.OS != "Debian GNU/Linux 13" || got.OSID != "debian" || got.OSVersion != "13" ||
		got.OSTreeCommit != sum || got.OSTreeRef != "origin:debian/x" || got.OSTreeVersion != "2026.2" {
		t.Errorf("%+v", got)
	}
	if got := parseFacts("c deploy\n\nx\n"); got != (Facts{}) {
		t.Errorf("what is no checksum was taken for one: %+v", got)
	}
}

func TestParseIdentity(t *testing.T) {
	got := parseIdentity("m 0123\nb b00t\nk ssh-rsa BBBB root@x\nk ssh-ed25519 AAAA seed\nk ssh-rsa BBBB root@x\np 1234-5678\ns abcd\n", "ssh-ed25519 AAAA assay")
	want := Identity{MachineID: "0123", BootID: "b00t", HostKeys: []string{"ssh-rsa BBBB"}, PTUUID: "1234-5678", RandomSeed: "abcd"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestParseBootTimes(t *testing.T) {
	b := parseBootTimes(`FirmwareTimestampMonotonic=5000000
LoaderTimestampMonotonic=2000000
KernelTimestampMonotonic=0
InitRDTimestampMonotonic=1500000
UserspaceTimestampMonotonic=9500000
FinishTimestampMonotonic=61000000
1min 2.345s cloud-init.service
   910ms dev-hugepages.mount
nonsense line here
`)
	if b.Loader != 5*time.Second || b.Kernel != 1500*time.Millisecond || b.Initrd != 8*time.Second || b.Userspace != 51500*time.Millisecond {
		t.Errorf("phases %+v", b)
	}
	if len(b.Slowest) != 2 || b.Slowest[0].Unit != "cloud-init.service" || b.Slowest[0].Took != 62345*time.Millisecond {
		t.Errorf("slowest %+v", b.Slowest)
	}
	if b := parseBootTimes("UserspaceTimestampMonotonic=18446744073709551615\n"); b.Kernel != 0 {
		t.Errorf("an absurd stamp was believed: %+v", b)
	}
}

func FuzzParseBootTimes(f *testing.F) {
	f.Add("UserspaceTimestampMonotonic=1\n1min 2s a.service")
	f.Fuzz(func(t *testing.T, s string) {
		b := parseBootTimes(s)
		for _, d := range []time.Duration{b.Loader, b.Kernel, b.Initrd, b.Userspace} {
			if d < 0 || d > 48*time.Hour {
				t.Errorf("phase of %s", d)
			}
		}
		parseFacts(s)
		parseIdentity(s, s)
	})
}
