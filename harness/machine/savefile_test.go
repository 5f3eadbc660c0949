package machine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// sampleSave builds a saved guest as libvirt lays it out, padding included.
func sampleSave(order binary.ByteOrder, xml, cookie, stream string) []byte {
	data := xml + "\x00"
	cookieAt := 0
	if cookie != "" {
		cookieAt = len(data)
		data += cookie + "\x00"
	}
	data += strings.Repeat("\x00", 777)
	b := []byte(saveMagic)
	for i := range 19 {
		v := map[int]int{wordVersion: saveVersion, wordDataLength: len(data), wordWasRunning: 1, wordCookieOffset: cookieAt, 18: 42}[i]
		b = append(b, 0, 0, 0, 0)
		order.PutUint32(b[len(b)-4:], uint32(v))
	}
	return append(b, data+stream...)
}

func TestSaveFileKeepsAllButTheDefinition(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, cookie := range []string{"", "<cookie/>"} {
			for _, xml := range []string{"<domain/>", strings.Repeat("<longer/>", 9000)} {
				stream := streamMagic + "the rest"
				b := sampleSave(order, "<domain><name>a</name></domain>", cookie, stream)
				f, err := readSaveFile(bytes.NewReader(b), int64(len(b)))
				if err != nil {
					t.Fatal(err)
				}
				if got := string(b[f.streamAt:]); got != stream {
					t.Fatalf("stream is %q, want %q", got, stream)
				}
				head, err := f.encodeFor(xml)
				if err != nil {
					t.Fatal(err)
				}
				if int64(len(head))%blockSize != f.streamAt%blockSize {
					t.Errorf("stream moved from %d to %d within its block", f.streamAt%blockSize, len(head)%blockSize)
				}
				again := append(head, stream...)
				g, err := readSaveFile(bytes.NewReader(again), int64(len(again)))
				if err != nil {
					t.Fatal(err)
				}
				if g.xml != xml || g.cookie != cookie || g.words[18] != 42 || g.words[wordWasRunning] != 1 || string(again[g.streamAt:]) != stream {
					t.Errorf("after a round trip: xml %.20q cookie %q words %v", g.xml, g.cookie, g.words)
				}
			}
		}
	}
}

func TestSaveFileRefuses(t *testing.T) {
	good := sampleSave(binary.LittleEndian, "<domain/>", "<cookie/>", streamMagic+"rest")
	change := func(f func([]byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	word := func(i int, v uint32) []byte {
		return change(func(b []byte) { binary.LittleEndian.PutUint32(b[16+4*i:], v) })
	}
	for name, b := range map[string][]byte{
		"empty":           nil,
		"header cut":      good[:50],
		"data cut":        good[:200],
		"stream missing":  good[:len(good)-len(streamMagic+"rest")],
		"other file":      change(func(b []byte) { copy(b, "QFI\xfb") }),
		"unfinished":      change(func(b []byte) { copy(b, savePartialMagic) }),
		"version":         word(wordVersion, 3),
		"compressed":      word(wordCompressed, 2),
		"no data":         word(wordDataLength, 0),
		"huge data":       word(wordDataLength, 1<<31),
		"data off by one": word(wordDataLength, uint32(len(good))),
		"cookie outside":  word(wordCookieOffset, 1<<30),
		"cookie in xml":   word(wordCookieOffset, 2),
		"stream":          change(func(b []byte) { copy(b[len(b)-8:], "XXXX") }),
	} {
		if _, err := readSaveFile(bytes.NewReader(b), int64(len(b))); !errors.Is(err, errSaveFile) {
			t.Errorf("%s: error %v, want %v", name, err, errSaveFile)
		}
	}
}

func FuzzReadSaveFile(f *testing.F) {
	f.Add(sampleSave(binary.LittleEndian, "<domain/>", "<cookie/>", streamMagic))
	f.Add(sampleSave(binary.BigEndian, "<domain/>", "", streamMagic))
	f.Add([]byte(savePartialMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := readSaveFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		head, err := s.encodeFor(s.xml)
		if err != nil {
			t.Fatalf("cannot encode what was read: %v", err)
		}
		again := append(head, b[s.streamAt:]...)
		g, err := readSaveFile(bytes.NewReader(again), int64(len(again)))
		if err != nil || g.xml != s.xml || g.cookie != s.cookie {
			t.Fatalf("round trip lost something: %v", err)
		}
	})
}
