package reports

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// escapes are the terminal sequences of ECMA-48: CSI, the string sequences
// (OSC, DCS, SOS, PM, APC) that end on their line, and the two-byte escapes;
// with the 8-bit forms of the first two. A string sequence without an end
// loses its first two bytes only, so that nobody hides a line that way.
var escapes = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]?" +
	"|(?:\x1b[\\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\x07\x1b\u009c\n]*(?:\x07|\x1b\\\\|\u009c)" +
	"|\x1b[ -/]*[0-~]?")

// Clean makes text that came out of a guest fit to be shown: terminal
// sequences go, line ends become "\n", and every other character that is
// invisible or that changes how its neighbours are read (control characters,
// direction overrides, zero-width ones) is written out visibly. What is not
// UTF-8 becomes U+FFFD. Tabs stay. Cleaning twice changes nothing.
func Clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.ContainsAny(s, "\x1b\u009b\u009d\u0090\u0098\u009e\u009f") {
		s = escapes.ReplaceAllString(s, "")
	}
	var b strings.Builder
	b.Grow(len(s))
	pending := false // a carriage return whose line end is yet to come
	for _, r := range s {
		if r == '\r' {
			pending = true
			continue
		}
		if pending {
			pending = false
			if r != '\n' {
				b.WriteByte('\n')
			}
		}
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r == '\u2028' || r == '\u2029' || r == '\u0085':
			b.WriteByte('\n')
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case isInvisible(r):
			fmt.Fprintf(&b, "⟨U+%04X⟩", r)
		default:
			b.WriteRune(r)
		}
	}
	if pending {
		b.WriteByte('\n')
	}
	return b.String()
}

// isInvisible is true for code points that show nothing by themselves or that
// turn the text around them: C1 controls, bidirectional controls, zero-width
// characters, fillers, variation selectors, tags, non-characters.
func isInvisible(r rune) bool {
	switch {
	case r >= 0x80 && r <= 0x9f,
		r == 0xad, r == 0x34f, r == 0x61c, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5,
		r >= 0x180b && r <= 0x180f,
		r >= 0x200b && r <= 0x200f,
		r >= 0x202a && r <= 0x202e,
		r >= 0x2060 && r <= 0x206f,
		r == 0x3164, r == 0xfeff, r == 0xffa0,
		r >= 0xfe00 && r <= 0xfe0f,
		r >= 0xfff0 && r <= 0xfffb,
		r >= 0xfdd0 && r <= 0xfdef,
		r >= 0xe0000 && r <= 0xe0fff,
		r&0xfffe == 0xfffe:
		return true
	}
	return false
}

// Line is Clean for one line: white space runs become one space, and what is
// longer than limit bytes ends in "…".
func Line(s string, limit int) string {
	// Only so much can matter; the rest need not be cleaned.
	if len(s) > 8*limit+64 {
		s = s[:8*limit+64]
	}
	return clip(strings.Join(strings.Fields(Clean(s)), " "), limit)
}

// clip cuts s to limit bytes at a character's border.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	cut := max(limit-len("…"), 0)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// Excerpt cuts text to ExcerptLimit bytes for an Evidence: a quarter from the
// start, the rest from the end, whole lines where there are lines, and a line
// between them that says how much is missing.
func Excerpt(text string) string { return excerpt(text, ExcerptLimit) }

func excerpt(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const note = "[... %d bytes left out ...]\n"
	room := limit - len(note) - 20 // 20: digits of any count, and a line end
	head := text[:room/4]
	if i := strings.LastIndexByte(head, '\n'); i >= 0 {
		head = head[:i+1]
	} else {
		for len(head) > 0 && !utf8.RuneStart(text[len(head)]) {
			head = head[:len(head)-1]
		}
		head += "\n"
	}
	tail := text[len(text)-(room-room/4):]
	if i := strings.IndexByte(tail, '\n'); i >= 0 && i < len(tail)-1 {
		tail = tail[i+1:]
	} else {
		for len(tail) > 0 && !utf8.RuneStart(tail[0]) {
			tail = tail[1:]
		}
	}
	return head + fmt.Sprintf(note, max(len(text)-len(head)-len(tail), 0)) + tail
}
