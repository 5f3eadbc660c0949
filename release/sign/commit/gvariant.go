package commit

import (
	"bytes"
	"errors"
	"fmt"
)

// The few shapes of GVariant that commits and signatures need, serialized as
// the GVariant specification says: members aligned, the ends of those without
// a fixed size kept in offsets at the end of their container.

// errFormat wraps everything that is wrong with bytes that were read.
var errFormat = errors.New("malformed GVariant")

// offsetSize is how many bytes each offset takes in a container of n bytes.
func offsetSize(n int) int {
	switch {
	case n <= 0xff:
		return 1
	case n <= 0xffff:
		return 2
	default:
		return 4 // nothing here comes near 4 GiB
	}
}

// withOffsets appends offsets to body, as many bytes each as the whole asks for.
func withOffsets(body []byte, offsets []int) []byte {
	size := 1
	for offsetSize(len(body)+len(offsets)*size) > size {
		size *= 2
	}
	for _, o := range offsets {
		for range size {
			body = append(body, byte(o))
			o >>= 8
		}
	}
	return body
}

func pad(b []byte, align int) []byte {
	for len(b)%align != 0 {
		b = append(b, 0)
	}
	return b
}

// member is one member of a tuple.
type member struct {
	align int
	size  int // 0 when it has no fixed size
	data  []byte
}

func tuple(members ...member) []byte {
	var body []byte
	var ends []int
	for i, m := range members {
		body = append(pad(body, m.align), m.data...)
		if m.size == 0 && i < len(members)-1 {
			ends = append([]int{len(body)}, ends...) // last first
		}
	}
	return withOffsets(body, ends)
}

// untuple splits a tuple; the data of members is filled in.
func untuple(b []byte, members []member) error {
	size, at := offsetSize(len(b)), 0
	tail := len(b) // the offsets begin here
	for i := range members {
		m := &members[i]
		for at%m.align != 0 {
			at++
		}
		var end int
		switch {
		case m.size > 0:
			end = at + m.size
		case i < len(members)-1:
			tail -= size
			if tail < 0 {
				return fmt.Errorf("%w: too short for its members", errFormat)
			}
			end = offset(b[tail : tail+size])
		default:
			end = tail
		}
		if end < at || end > tail {
			return fmt.Errorf("%w: member %d ends outside of its tuple", errFormat, i)
		}
		m.data, at = b[at:end], end
	}
	return nil
}

func offset(b []byte) (n int) {
	for i := len(b) - 1; i >= 0; i-- {
		n = n<<8 | int(b[i])
	}
	return n
}

// array joins elements that have no fixed size.
func array(align int, elements ...[]byte) []byte {
	if len(elements) == 0 {
		return nil
	}
	var body []byte
	var ends []int
	for _, e := range elements {
		body = append(pad(body, align), e...)
		ends = append(ends, len(body))
	}
	return withOffsets(body, ends)
}

// unarray splits an array of elements that have no fixed size.
func unarray(b []byte, align int) (elements [][]byte, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	size := offsetSize(len(b))
	if len(b) < size {
		return nil, fmt.Errorf("%w: array of %d bytes", errFormat, len(b))
	}
	table := offset(b[len(b)-size:])
	if table > len(b)-size || (len(b)-table)%size != 0 {
		return nil, fmt.Errorf("%w: array without a table of its elements", errFormat)
	}
	at := 0
	for i := table; i < len(b); i += size {
		for at%align != 0 {
			at++
		}
		end := offset(b[i : i+size])
		if end < at || end > table {
			return nil, fmt.Errorf("%w: element %d ends outside of its array", errFormat, len(elements))
		}
		elements, at = append(elements, b[at:end]), end
	}
	return elements, nil
}

// text reads a string.
func text(b []byte) (string, error) {
	if len(b) == 0 || bytes.IndexByte(b, 0) != len(b)-1 {
		return "", fmt.Errorf("%w: string without an end", errFormat)
	}
	return string(b[:len(b)-1]), nil
}

func str(s string) []byte { return append([]byte(s), 0) }

// Entry is one entry of a dictionary: a key, the type of the value as GVariant
// writes types, and the value's bytes.
type Entry struct {
	Key  string
	Type string
	Data []byte
}

// String is the value of an entry of type s.
func (e Entry) String() string {
	s, err := text(e.Data)
	if e.Type != "s" || err != nil {
		return ""
	}
	return s
}

// Strings is the value of an entry of type as.
func (e Entry) Strings() (out []string) {
	elements, err := unarray(e.Data, 1)
	if e.Type != "as" || err != nil {
		return nil
	}
	for _, b := range elements {
		s, err := text(b)
		if err != nil {
			return nil
		}
		out = append(out, s)
	}
	return out
}

func textEntry(key, value string) Entry { return Entry{key, "s", str(value)} }

func textsEntry(key string, values ...string) Entry {
	var elements [][]byte
	for _, v := range values {
		elements = append(elements, str(v))
	}
	return Entry{key, "as", array(1, elements...)}
}

// dictionary writes entries as a{sv}.
func dictionary(entries []Entry) []byte {
	var elements [][]byte
	for _, e := range entries {
		variant := append(append(bytes.Clone(e.Data), 0), e.Type...)
		elements = append(elements, tuple(member{align: 1, data: str(e.Key)}, member{align: 8, data: variant}))
	}
	return array(8, elements...)
}

func readDictionary(b []byte) (entries []Entry, err error) {
	elements, err := unarray(b, 8)
	if err != nil {
		return nil, err
	}
	for _, el := range elements {
		m := []member{{align: 1}, {align: 8}}
		if err := untuple(el, m); err != nil {
			return nil, err
		}
		key, err := text(m[0].data)
		if err != nil {
			return nil, err
		}
		end := bytes.LastIndexByte(m[1].data, 0)
		if end < 0 {
			return nil, fmt.Errorf("%w: the value of %q has no type", errFormat, key)
		}
		entries = append(entries, Entry{key, string(m[1].data[end+1:]), m[1].data[:end]})
	}
	return entries, nil
}
