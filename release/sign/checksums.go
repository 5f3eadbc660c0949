package sign

import (
	"bufio"
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"assay/artifact"
)

// Sum is one file in a CHECKSUM file.
type Sum struct {
	Name   string
	Digest artifact.Digest
	// Size is in bytes, -1 when the file does not say.
	Size int64
}

// FormatChecksums writes a CHECKSUM file in Fedora's form, which `sha256sum -c`
// reads, sorted by name.
func FormatChecksums(sums []Sum) []byte {
	sums = slices.SortedFunc(slices.Values(sums), func(a, b Sum) int { return strings.Compare(a.Name, b.Name) })
	var out bytes.Buffer
	for _, s := range sums {
		fmt.Fprintf(&out, "# %s: %d bytes\nSHA256 (%s) = %s\n", s.Name, s.Size, s.Name, s.Digest.Hex())
	}
	return out.Bytes()
}

var (
	sizeLine = regexp.MustCompile(`^# (\S+): ([0-9]{1,18}) bytes$`)
	sumLine  = regexp.MustCompile(`^SHA256 \(([^()/\s]+)\) = ([0-9a-f]{64})$`)
)

// ParseChecksums reads the text of a CHECKSUM file. The sizes may be missing, as
// they were in old releases; anything else that is not understood is an error,
// since sha256sum would skip it in silence.
func ParseChecksums(text []byte) ([]Sum, error) {
	var out []Sum
	sizes := map[string]int64{}
	scan := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; scan.Scan(); n++ {
		line := strings.TrimRight(scan.Text(), "\r \t")
		if m := sizeLine.FindStringSubmatch(line); m != nil {
			sizes[m[1]], _ = strconv.ParseInt(m[2], 10, 64)
			continue
		}
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := sumLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("line %d is no checksum: %.100q", n, line)
		}
		s := Sum{Name: m[1], Digest: artifact.Digest("sha256:" + m[2]), Size: -1}
		if slices.ContainsFunc(out, func(o Sum) bool { return o.Name == s.Name }) {
			return nil, fmt.Errorf("line %d names %s a second time", n, s.Name)
		}
		out = append(out, s)
	}
	if err := scan.Err(); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("it lists no file")
	}
	for i, s := range out {
		if size, ok := sizes[s.Name]; ok {
			out[i].Size = size
		}
	}
	return out, nil
}
