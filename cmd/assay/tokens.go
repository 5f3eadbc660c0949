package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"assay/release"
)

// tokens say who may change things over HTTP. The file has lines of
// NAME TOKEN [ROLE...]; the name * may speak for everybody. Blank lines and lines
// that begin with # are left out.
type tokens struct{ list []token }

type token struct {
	holder
	sum  [sha256.Size]byte
	text string
}

// role is what the holder of a token may record, as far as the policy lets them.
type role string

const (
	// person says what people say: waivers, marks, blocks, promotions.
	person role = "person"
	// builder announces builds, and composes and rebuilds that failed.
	builder role = "builder"
	// worker answers test requests.
	worker role = "worker"
)

var roles = []role{person, builder, worker}

// holder is whose a token is. Without roles, * has all and a name is a person's;
// one without the role of a person is a machine's.
type holder struct {
	name  string
	roles []role
}

func (h holder) has(r role) bool {
	if len(h.roles) == 0 {
		return h.name == "*" || r == person
	}
	return slices.Contains(h.roles, r)
}

// kind is what its holder is: a token that is a person's in one of its roles speaks
// as that person in all.
func (h holder) kind() release.ActorKind {
	if h.has(person) {
		return release.Person
	}
	return release.Service
}

// mayRecord refuses what a token cannot say, whatever the policy does.
func (h holder) mayRecord(e release.Event) error {
	need, ok := takes[e.Type]
	kind := h.kind()
	switch {
	case !ok:
		return fmt.Errorf("%s is not for others to say", e.Type)
	case !h.has(need):
		return fmt.Errorf("%s is said by a %s, and the token of %s is not one: a line of the file that serve.tokens names may end with roles", e.Type, need, h.name)
	case e.Actor.Kind == release.Self.Kind && e.Actor.Name == release.Self.Name:
		return fmt.Errorf("nobody speaks for the stage itself")
	case !strings.HasPrefix(e.ID, fmt.Sprintf("%s:%s:", e.Type, e.Stream)):
		// Or one could take the id of an event that the stage is to record.
		return fmt.Errorf("event id %.80q is not of its type and stream: want %s:%s: and more", e.ID, e.Type, e.Stream)
	case h.name != "*" && (e.Actor.Name != h.name || e.Actor.Kind != kind):
		return fmt.Errorf("the token is of the %s %s, and the event of the %s %s", kind, h.name, e.Actor.Kind, e.Actor)
	}
	return nil
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
		if len(fields) < 2 {
			return nil, usagef("%s:%d: want NAME TOKEN", path, n)
		}
		h := holder{name: fields[0]}
		for _, f := range fields[2:] {
			if !slices.Contains(roles, role(f)) {
				return nil, usagef("%s:%d: want NAME TOKEN, and after it nothing but roles: %v", path, n, roles)
			}
			h.roles = append(h.roles, role(f))
		}
		if h.name == release.Self.Name && !h.has(person) {
			return nil, usagef("%s:%d: no machine is called %s: that is the stage itself", path, n, h.name)
		}
		if len(fields[1]) < minToken {
			return nil, usagef("%s:%d: the token has fewer than %d characters: make one with `openssl rand -hex 32`", path, n, minToken)
		}
		t.list = append(t.list, token{h, sha256.Sum256([]byte(fields[1])), fields[1]})
	}
	return t, lines.Err()
}

// holder is whose token a request has; * is anybody's.
func (t *tokens) holder(r *http.Request) (h holder, err error) {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return h, fmt.Errorf("this needs a token: send Authorization: Bearer TOKEN, with one from the file that serve.tokens names")
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(text)))
	for _, x := range t.list { // all of them, so that time tells nothing
		if subtle.ConstantTimeCompare(sum[:], x.sum[:]) == 1 {
			h = x.holder
		}
	}
	if h.name == "" {
		return h, fmt.Errorf("the token is none of those that serve.tokens lists")
	}
	return h, nil
}

// tokenFor is the token that a command of this host speaks with: ASSAY_TOKEN,
// or what the file ASSAY_TOKEN_FILE holds, or the one that serve.tokens has for
// somebody in a role.
func tokenFor(path string, who release.Actor, in role) (string, error) {
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
		switch {
		case !x.has(in):
		case x.name == who.Name && x.has(person) == (who.Kind == release.Person):
			return x.text, nil
		case x.name == "*":
			anybody = x.text
		}
	}
	if anybody == "" {
		return "", usagef("the service has the history open, and %s has no token with which %q speaks as a %s: set ASSAY_TOKEN or ASSAY_TOKEN_FILE", path, who.Name, in)
	}
	return anybody, nil
}
