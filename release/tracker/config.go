package tracker

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Type names a kind of service.
type Type string

// The services there are adapters for. Forgejo speaks Gitea's language.
const (
	Gitea    Type = "gitea"
	Forgejo  Type = "forgejo"
	Pagure   Type = "pagure"
	Bugzilla Type = "bugzilla"
	GitHub   Type = "github"
	GitLab   Type = "gitlab"
)

// Types lists them.
var Types = []Type{Gitea, Forgejo, Pagure, Bugzilla, GitHub, GitLab}

// Config is one tracker, as YAML has it.
type Config struct {
	Type Type `yaml:"type"`
	// URL is where the service's pages are: "https://codeberg.org". Empty for
	// GitHub means github.com, for GitLab gitlab.com.
	URL string `yaml:"url"`
	// Project is OWNER/NAME, for Pagure NAME or NAMESPACE/NAME, for GitLab a
	// path of any depth, for Bugzilla a product.
	Project string `yaml:"project"`
	// TokenFile or TokenEnv says where the token is: a file, or a variable of
	// the environment. Exactly one is given.
	TokenFile string `yaml:"token_file"`
	TokenEnv  string `yaml:"token_env"`
	// CAFile has certificates (PEM) to trust instead of the system's.
	CAFile string `yaml:"ca_file"`
	// PlainHTTPOnLoopback allows an http URL, if its host is a loopback address.
	PlainHTTPOnLoopback bool `yaml:"plain_http_on_loopback"`
	// Timeout is for one request; 30 seconds when 0.
	Timeout time.Duration `yaml:"timeout"`

	// Labels are given to new bugs (tags in Pagure, keywords in Bugzilla).
	Labels []string `yaml:"labels"`
	// WontFix are the labels (Gitea, GitHub, GitLab), resolutions (Bugzilla) or
	// close statuses (Pagure) by which a person says that a closed bug is not
	// wanted. Letters and digits count, case does not, and of a label with a
	// scope ("status/wontfix", "resolution::wontfix") the last part is enough.
	// DefaultWontFix when empty.
	WontFix []string `yaml:"wont_fix"`

	// Component and Version are what new Bugzilla bugs need.
	Component string `yaml:"component"`
	Version   string `yaml:"version"`
	// CloseAs is what a bug is closed as: Pagure's close status ("Fixed"), or
	// Bugzilla's STATUS/RESOLUTION ("RESOLVED/FIXED"). Only those have any.
	CloseAs string `yaml:"close_as"`
	// ReopenAs is Bugzilla's status of a reopened bug: "CONFIRMED" when empty;
	// "REOPENED" where the workflow is that of Bugzilla 3, "NEW" at Red Hat.
	ReopenAs string `yaml:"reopen_as"`
	// Bearer sends Bugzilla's API key as Red Hat wants it, "Authorization:
	// Bearer", instead of in X-BUGZILLA-API-KEY.
	Bearer bool `yaml:"bearer"`
}

// DefaultWontFix says "not wanted" in the words of several trackers. A duplicate
// is one, too: the person has another bug for it.
var DefaultWontFix = []string{"wontfix", "wont do", "cantfix", "invalid", "notabug", "not a bug", "duplicate", "not planned"}

var (
	ownerName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}$`)
	pagureRef = regexp.MustCompile(`^(?:[A-Za-z0-9_.+-]{1,100}/){0,2}[A-Za-z0-9_.+-]{1,100}$`)
	gitlabRef = regexp.MustCompile(`^(?:[A-Za-z0-9_.-]+/)+[A-Za-z0-9_.-]+$`)
	envName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Validate says what is wrong with a configuration. It reads no file.
func (c Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %w", key, fmt.Errorf(format, args...)))
	}
	if !slices.Contains(Types, c.Type) {
		bad("type", "%q is none of %v", c.Type, Types)
	}
	if _, err := c.Base(); err != nil {
		bad("url", "%w", err)
	}
	shape, want := ownerName, "OWNER/NAME"
	switch c.Type {
	case Pagure:
		shape, want = pagureRef, "NAME or NAMESPACE/NAME"
	case GitLab:
		shape, want = gitlabRef, "GROUP/NAME"
	case Bugzilla:
		shape, want = nil, "a product"
	}
	if c.Project == "" || len(c.Project) > 1000 || shape != nil && (!shape.MatchString(c.Project) || slices.ContainsFunc(strings.Split(c.Project, "/"), isDots)) {
		bad("project", "%.100q is not %s", c.Project, want)
	}
	switch {
	case (c.TokenFile == "") == (c.TokenEnv == ""):
		bad("token_file", "give either token_file or token_env")
	case c.TokenEnv != "" && !envName.MatchString(c.TokenEnv):
		bad("token_env", "want the name of a variable, not the token") // and do not print it
	}
	if c.Timeout < 0 || c.Timeout > time.Hour {
		bad("timeout", "%s is not between 0 and 1h", c.Timeout)
	}
	for _, l := range c.Labels {
		if l == "" || len(l) > 100 || strings.ContainsAny(l, ",\n\r\x00") {
			bad("labels", "%.100q cannot be a label", l)
		}
	}
	for _, w := range c.WontFix {
		if plainWord(w) == "" {
			bad("wont_fix", "%.100q has no letters", w)
		}
	}
	if c.Type == Bugzilla {
		if c.Component == "" || c.Version == "" {
			bad("component", "bugs of Bugzilla need component and version")
		}
		if c.CloseAs != "" && strings.Count(c.CloseAs, "/") != 1 {
			bad("close_as", "%.100q is not STATUS/RESOLUTION", c.CloseAs)
		}
	} else if c.Component != "" || c.Version != "" || c.ReopenAs != "" || c.Bearer {
		bad("component", "only Bugzilla has component, version, reopen_as and bearer")
	}
	if c.CloseAs != "" && c.Type != Bugzilla && c.Type != Pagure {
		bad("close_as", "only Bugzilla and Pagure have it")
	}
	return errors.Join(errs...)
}

func isDots(s string) bool { return s == "." || s == ".." }

// Base is the URL, checked, without a slash at its end.
func (c Config) Base() (*url.URL, error) {
	s := c.URL
	switch {
	case s != "":
	case c.Type == GitHub:
		s = "https://github.com"
	case c.Type == GitLab:
		s = "https://gitlab.com"
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		// The URL is not shown: it might have a password in it.
		return nil, errors.New("want https://HOST, without user, query and fragment")
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && c.PlainHTTPOnLoopback && isLoopback(u.Hostname()):
	case u.Scheme == "http":
		return nil, errors.New("http would show the token to everyone on the way: use https (or, for a test server on a loopback address, set plain_http_on_loopback)")
	default:
		return nil, fmt.Errorf("scheme %.20q: want https", u.Scheme)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// IsWontFix reports whether one of a closed bug's words says that it is not
// wanted.
func (c Config) IsWontFix(words ...string) bool {
	list := c.WontFix
	if len(list) == 0 {
		list = DefaultWontFix
	}
	for _, w := range words {
		scoped := w[strings.LastIndexAny(w, "/:")+1:]
		for _, l := range list {
			if p := plainWord(l); plainWord(w) == p || plainWord(scoped) == p {
				return true
			}
		}
	}
	return false
}

// plainWord leaves letters and digits, in lower case: "Won't fix" is "wontfix".
func plainWord(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r > 0x7f:
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, s)
}

// maxToken bounds a token; those of GitLab have some 60 characters, signed ones
// of others a few hundred.
const maxToken = 8 << 10

func (c Config) tokenPlace() string {
	if c.TokenFile != "" {
		return c.TokenFile
	}
	return "the variable " + c.TokenEnv
}

// token reads the token anew.
func (c Config) token() (string, error) {
	t := os.Getenv(c.TokenEnv)
	if c.TokenFile != "" {
		f, err := os.Open(c.TokenFile)
		if err != nil {
			return "", permanent("cannot read the token: %w", err)
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, maxToken+1))
		if err != nil {
			return "", fmt.Errorf("cannot read the token: %w", err)
		}
		t = string(bytes.TrimSpace(b))
	}
	if t == "" || len(t) > maxToken || strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", permanent("there is no token in %s: put one line of printable characters there", c.tokenPlace())
	}
	return t, nil
}

func (c Config) roots() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("cannot read certificates: %s has none (PEM)", c.CAFile)
	}
	return pool, nil
}
