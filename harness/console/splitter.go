package console

// Bounds on what one line or one escape sequence may be. The kernel's own
// longest record is 1 KiB; systemd's status lines are shorter.
const (
	maxLine   = 4 << 10
	maxEscape = 4 << 10
)

// splitter turns terminal bytes into lines of text: escape sequences are
// removed, and whatever moves the cursor to another line ends one. It keeps
// its state between bytes, so chunks do not matter.
type splitter struct {
	state   escState
	escLen  int
	line    []byte
	start   int64 // offset of the line's first byte
	started bool
	pos     int64
	emit    func(line []byte, start int64)
}

type escState uint8

const (
	ground escState = iota
	escape          // after ESC
	escapeInter
	csi
	oscString    // OSC, DCS, APC, PM, SOS: up to BEL or ST
	oscStringEsc // ESC inside such a string
)

func (s *splitter) write(p []byte) {
	for _, b := range p {
		s.step(b)
		s.pos++
	}
}

func (s *splitter) step(b byte) {
	if b == '\n' || b == '\r' {
		// Also within a sequence: one that is never closed must not swallow
		// what follows.
		s.state = ground
		s.end()
		return
	}
	if b == 0x1b && s.state != oscString {
		s.state, s.escLen = escape, 0
		return
	}
	if s.state != ground {
		if s.escLen++; s.escLen > maxEscape {
			s.state = ground
		}
	}
	switch s.state {
	case ground:
		s.text(b)
	case escape:
		s.afterEscape(b)
	case escapeInter:
		if b >= 0x30 {
			s.state = ground
		}
	case csi:
		if b >= 0x40 && b <= 0x7e {
			s.state = ground
			s.control(b)
		}
	case oscString:
		switch b {
		case 0x07:
			s.state = ground
		case 0x1b:
			s.state = oscStringEsc
		}
	case oscStringEsc:
		// ESC \ closes the string; ESC and anything else began a new sequence.
		s.state = ground
		if b != '\\' {
			s.afterEscape(b)
		}
	}
}

func (s *splitter) afterEscape(b byte) {
	switch {
	case b == '[':
		s.state = csi
	case b == ']' || b == 'P' || b == '_' || b == '^' || b == 'X':
		s.state = oscString
	case b >= 0x20 && b <= 0x2f:
		s.state = escapeInter
	default:
		s.state = ground
		if b == 'c' || b == 'D' || b == 'E' || b == 'M' { // reset and line moves
			s.end()
		}
	}
}

// control reacts to the final byte of a CSI sequence.
func (s *splitter) control(final byte) {
	switch final {
	case 'H', 'f', 'J', 'd', 'E', 'F', 'A', 'B': // another line, or a cleared screen
		s.end()
	case 'G', 'C', '`': // another column of this line
		s.text(' ')
	}
}

func (s *splitter) text(b byte) {
	if b < 0x20 && b != '\t' || b == 0x7f {
		return
	}
	if !s.started {
		s.started, s.start = true, s.pos
	}
	if len(s.line) < maxLine {
		s.line = append(s.line, b)
	}
}

func (s *splitter) end() {
	if !s.started {
		return
	}
	s.emit(s.line, s.start)
	s.line, s.started = s.line[:0], false
}
