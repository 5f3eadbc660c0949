package disk

import (
	"bytes"
	"errors"
	"testing"
)

func TestXZUnpackedSize(t *testing.T) {
	one, two := xzipped(t, bytes.Repeat([]byte("a"), 100_000)), xzipped(t, nil)
	dir := write(t, "x", bytes.Repeat([]byte("abc"), 1<<20))
	tool(t, "xz", "-T2", "--block-size=512KiB", "-k", dir)
	blocks := read(t, dir+".xz")
	for name, tc := range map[string]struct {
		file []byte
		want int64
	}{
		"one stream":           {one, 100_000},
		"nothing inside":       {two, 0},
		"streams with padding": {append(append(append(bytes.Clone(one), 0, 0, 0, 0), two...), one...), 200_000},
		"padding at the end":   {append(bytes.Clone(one), 0, 0, 0, 0, 0, 0, 0, 0), 100_000},
		"many blocks":          {blocks, 3 << 20},
	} {
		if got, err := xzUnpackedSize(bytes.NewReader(tc.file), int64(len(tc.file)), 1<<40); err != nil || got != tc.want {
			t.Errorf("%s: %d, %v; want %d", name, got, err, tc.want)
		}
	}
	for name, file := range map[string][]byte{"cut": one[:len(one)-1], "not xz": []byte("hello, this is no xz file at all"), "header only": one[:12]} {
		if _, err := xzUnpackedSize(bytes.NewReader(file), int64(len(file)), 1<<40); !errors.Is(err, errNoXZIndex) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
