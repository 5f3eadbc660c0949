package reports

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "hello\tworld\n", "hello\tworld\n"},
		{"colours", "\x1b[0;32m  OK  \x1b[0m done", "  OK   done"},
		{"cursor", "\x1b[2J\x1b[1;1H\x1b[?25lx", "x"},
		{"title", "\x1b]0;evil\x07x\x1b]8;;http://a\x1b\\y", "xy"},
		{"title without an end hides nothing", "\x1b]0;Kernel panic", "0;Kernel panic"},
		{"two bytes", "\x1bcx\x1b(By", "xy"},
		{"escape alone", "a\x1b", "a"},
		{"8-bit CSI", "a\u009b31mb", "ab"},
		{"line ends", "a\r\nb\r\r\nc\rd\r", "a\nb\nc\nd\n"},
		{"controls", "a\x00\x07\x7fb", `a\x00\x07\x7fb`},
		{"direction", "abc\u202e321", "abc⟨U+202E⟩321"},
		{"zero width", "pass\u200bed\ufeff", "pass⟨U+200B⟩ed⟨U+FEFF⟩"},
		{"not UTF-8", "a\xff\xfeb", "a\uFFFDb"},
		{"separators", "a\u2028b\u2029c\u0085d", "a\nb\nc\nd"},
		{"tags", "a\U000E0041b", "a⟨U+E0041⟩b"},
		{"languages", "żółć שלום 漢字 🙂", "żółć שלום 漢字 🙂"},
	} {
		if got := Clean(c.in); got != c.want {
			t.Errorf("%s: Clean(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestLine(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{" a \r\n b\t c ", 50, "a b c"},
		{"abcdef", 6, "abcdef"},
		{"abcdefg", 6, "abc…"},
		{"ééééé", 6, "é…"},
		{strings.Repeat("x", 1<<22), 5, "xx…"},
		{"", 5, ""},
	} {
		if got := Line(c.in, c.limit); got != c.want {
			t.Errorf("Line(%.20q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}

func TestExcerpt(t *testing.T) {
	if got := Excerpt("short\n"); got != "short\n" {
		t.Errorf("got %q", got)
	}
	var b strings.Builder
	for i := range 10000 {
		b.WriteString("line ")
		b.WriteByte(byte('a' + i%26))
		b.WriteByte('\n')
	}
	text := "first\n" + b.String() + "last\n"
	got := Excerpt(text)
	if len(got) > ExcerptLimit || !strings.HasPrefix(got, "first\nline a\n") || !strings.HasSuffix(got, "\nlast\n") ||
		!strings.Contains(got, "bytes left out ...]\nline ") {
		t.Errorf("%d bytes: %.60q ... %.40q", len(got), got, got[len(got)-40:])
	}
}

// FuzzClean: nothing that comes out moves a cursor, hides itself or turns its
// neighbours, and cleaning is done once.
func FuzzClean(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m\r\n\u202e\u200b\xff\x9b")
	f.Add("\x1b\x1b[[A]]P\x1b\\")
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if !utf8.ValidString(got) {
			t.Errorf("Clean(%q) = %q is not UTF-8", s, got)
		}
		for _, r := range got {
			if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && isInvisible(r)) {
				t.Errorf("Clean(%q) = %q holds %U", s, got, r)
			}
		}
		if again := Clean(got); again != got {
			t.Errorf("Clean(Clean(%q)) = %q, not %q", s, again, got)
		}
		for _, limit := range []int{3, 20, 100} {
			if l := Line(s, limit); len(l) > limit || !utf8.ValidString(l) || strings.Contains(l, "\n") {
				t.Errorf("Line(%q, %d) = %q", s, limit, l)
			}
		}
		for _, limit := range []int{80, 200} {
			if e := excerpt(s, limit); len(e) > limit || utf8.ValidString(s) && !utf8.ValidString(e) {
				t.Errorf("excerpt(%q, %d) = %q", s, limit, e)
			}
		}
	})
}
