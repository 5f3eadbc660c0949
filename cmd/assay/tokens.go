package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// tokens say who may change things over HTTP. The file has lines of NAME TOKEN;
// the name * may speak for everybody. Blank lines and lines that begin with #
// are left out.
type tokens struct{ list []token }

type token struct {
	name string
	sum  [sha256.Size]byte
	text string
}

// minToken is the least number of characters: 32 hexadecimal digits are 128
// bits.
const minToken = 32

func readTokens(path string) (*tokens, error) {
	t := &tokens{}
	if path == "" {
		return t, nil
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, usagef("cannot read serve.tokens: %w", err)
	}
	if !st.Mode().IsRegular() || st.Mode().Perm()&0o077 != 0 || st.Size() > 1<<20 {
		return nil, usagef("serve.tokens: %s has to be a file that nobody but its owner can read: chmod 600 %[1]s", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("cannot read serve.tokens: %w", err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		// What stands there is not shown: it may be a token.
		if len(fields) != 2 {
			return nil, usagef("%s:%d: want NAME TOKEN", path, n)
		}
		if len(fields[1]) < minToken {
			return nil, usagef("%s:%d: the token has fewer than %d characters: make one with `openssl rand -hex 32`", path, n, minToken)
		}
		t.list = append(t.list, token{fields[0], sha256.Sum256([]byte(fields[1])), fields[1]})
	}
	return t, lines.Err()
}

// holder is whose token a request has; * is anybody's.
func (t *tokens) holder(r *http.Request) (string, error) {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return "", fmt.Errorf("this needs a token: send Authorization: Bearer TOKEN, with one from the file that serve.tokens names")
	}
	sum, name := sha256.Sum256([]byte(strings.TrimSpace(text))), ""
	for _, x := range t.list { // all of them, so that time tells nothing
		if subtle.ConstantTimeCompare(sum[:], x.sum[:]) == 1 {
			name = x.name
		}
	}
	if name == "" {
		return "", fmt.Errorf("the token is none of those that serve.tokens lists")
	}
	return name, nil
}

// tokenFor is the token that a command of this host speaks with: ASSAY_TOKEN,
// or what the file ASSAY_TOKEN_FILE holds, or the one that serve.tokens has for a name.
func tokenFor(path, name string) (string, error) {
	if t := os.Getenv("ASSAY_TOKEN"); t != "" {
		return t, nil
	}
	if file := os.Getenv("ASSAY_TOKEN_FILE"); file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return "", usagef("cannot read ASSAY_TOKEN_FILE: %w", err)
		}
		return strings.TrimSpace(string(raw)), nil
	}
	if path == "" {
		return "", usagef("the service has the history open, and takes changes with a token only: name a file of tokens under serve.tokens and start it again, or stop it")
	}
	t, err := readTokens(path)
	if err != nil {
		return "", err
	}
	anybody := ""
	for _, x := range t.list {
		switch x.name {
		case name:
			return x.text, nil
		case "*":
			anybody = x.text
		}
	}
	if anybody == "" {
		return "", usagef("the service has the history open, and %s has no token for %q: set ASSAY_TOKEN or ASSAY_TOKEN_FILE", path, name)
	}
	return anybody, nil
}
