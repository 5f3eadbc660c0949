package packages

import (
	"cmp"
	"strings"
)

// CompareEVR orders packages by epoch, version and release, by rpm's rules:
// negative when a is older than b.
func CompareEVR(a, b Package) int {
	return cmp.Or(CompareVersions(cmp.Or(a.Epoch, "0"), cmp.Or(b.Epoch, "0")), CompareVersions(a.Version, b.Version), CompareVersions(a.Release, b.Release))
}

// CompareVersions orders two versions as rpm does (rpm-version(7)): runs of
// digits and runs of letters are compared one by one, digits are newer than
// letters, '~' is older than the end, '^' newer than the end and older than
// anything else.
func CompareVersions(a, b string) int {
	for {
		a, b = strings.TrimLeftFunc(a, isSeparator), strings.TrimLeftFunc(b, isSeparator)
		if done, c := special(&a, &b); done {
			if c != 0 {
				return c
			}
			continue
		}
		if a == "" || b == "" {
			return cmp.Compare(len(a), len(b))
		}
		var x, y string
		if isDigit(rune(a[0])) {
			if !isDigit(rune(b[0])) {
				return 1
			}
			x, a = run(a, isDigit)
			y, b = run(b, isDigit)
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if c := cmp.Compare(len(x), len(y)); c != 0 {
				return c
			}
		} else {
			if isDigit(rune(b[0])) {
				return -1
			}
			x, a = run(a, isLetter)
			y, b = run(b, isLetter)
		}
		if c := cmp.Compare(x, y); c != 0 {
			return c
		}
	}
}

// special handles '~' and '^' at the front of either. done is true when one was
// there; the comparison goes on when c is 0.
func special(a, b *string) (done bool, c int) {
	at, bt := strings.HasPrefix(*a, "~"), strings.HasPrefix(*b, "~")
	ac, bc := strings.HasPrefix(*a, "^"), strings.HasPrefix(*b, "^")
	switch {
	case at && bt, ac && bc:
		*a, *b = (*a)[1:], (*b)[1:]
		return true, 0
	case at:
		return true, -1
	case bt:
		return true, 1
	case ac && *b == "":
		return true, 1
	case ac:
		return true, -1
	case bc && *a == "":
		return true, -1
	case bc:
		return true, 1
	}
	return false, 0
}

func run(s string, is func(rune) bool) (head, rest string) {
	i := strings.IndexFunc(s, func(r rune) bool { return !is(r) })
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i:]
}

func isDigit(r rune) bool     { return r >= '0' && r <= '9' }
func isLetter(r rune) bool    { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
func isSeparator(r rune) bool { return !isDigit(r) && !isLetter(r) && r != '~' && r != '^' }
