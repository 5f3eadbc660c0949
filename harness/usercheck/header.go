package usercheck

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"assay/suites/check"
)

// header is what a check says of itself, as it stands in the file.
type header struct {
	Name      string   `yaml:"name"`
	Title     string   `yaml:"title"`
	Criterion string   `yaml:"criterion"`
	Blocking  *bool    `yaml:"blocking"`
	State     string   `yaml:"state"`
	Exclusive *bool    `yaml:"exclusive"`
	User      string   `yaml:"user"`
	Limit     string   `yaml:"limit"`
	Labels    []string `yaml:"labels"`
	Needs     Needs    `yaml:"needs"`
}

// Needs are what a check wants of the guest; where something is missing, the
// check is skipped and says what.
type Needs struct {
	// Packages are names that rpm or dpkg knows as installed.
	Packages []string `yaml:"packages" json:"packages,omitempty"`
	// Commands are programs on root's path, Files absolute paths.
	Commands []string `yaml:"commands" json:"commands,omitempty"`
	Files    []string `yaml:"files" json:"files,omitempty"`
	// Trees has the harness serve trees to upgrade to (check.Env.Trees).
	Trees bool `yaml:"trees" json:"trees,omitempty"`
	// Memory is the least memory of the guest, in MiB.
	Memory int `yaml:"memory" json:"memory,omitempty"`
}

// Bounds of a header.
const (
	// headerReach is how far from a file's start its header must end, in bytes.
	headerReach = 16 << 10
	titleLimit  = 200 // characters
	listLimit   = 50  // entries of a list
	// defaultLimit and longestLimit are how long a check may take on a KVM host.
	defaultLimit = 5 * time.Minute
	longestLimit = 2 * time.Hour
)

// ordinaryUser is what stands in a header for the ordinary user of the seed,
// whose name a check cannot know.
const ordinaryUser = "ordinary"

var (
	// headerStart is a comment, in whatever way the language has it, that says "assay:".
	headerStart = regexp.MustCompile(`^[^A-Za-z0-9\s]{1,4}[ \t]*assay:[ \t]*$`)

	// nameShape is one half of a case id; userShape is what useradd takes.
	nameShape      = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	criterionShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$`)
	labelShape     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	userShape      = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	packageShape   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+:~^-]{0,199}$`)
	commandShape   = regexp.MustCompile(`^[A-Za-z0-9_/.][A-Za-z0-9_/.+-]{0,199}$`)
	fileShape      = regexp.MustCompile(`^/[^\x00-\x1f\x7f]{0,499}$`)
)

// errNoHeader means that a text has none.
var errNoHeader = errors.New("it has no header (a comment \"# assay:\" near its top)")

// headerText cuts the header out of the start of a file: the lines after the
// comment "assay:" that are comments of the same kind and indented deeper.
// line is the number of the line before the first of them.
func headerText(start []byte) (text string, line int, err error) {
	whole := len(start) < headerReach
	lines := strings.Split(string(start), "\n")
	for n, l := range lines {
		l = strings.TrimRight(l, "\r")
		if !headerStart.MatchString(l) {
			continue
		}
		marker := strings.TrimRight(strings.TrimSuffix(strings.TrimRight(l, " \t"), "assay:"), " \t")
		depth := strings.Index(l, "assay:")
		var b strings.Builder
		for k, h := range lines[n+1:] {
			h = strings.TrimRight(h, " \t\r")
			body, comment := strings.CutPrefix(h, marker)
			key := strings.TrimLeft(body, " ")
			if !comment || key == "" || len(h)-len(key) <= depth {
				break
			}
			if !whole && n+1+k == len(lines)-1 {
				return "", 0, fmt.Errorf("its header does not end within the first %d bytes", headerReach)
			}
			b.WriteString(h[depth:] + "\n")
		}
		if b.Len() == 0 {
			return "", 0, fmt.Errorf("its header in line %d is empty: the keys stand below it, in comments that are indented deeper", n+1)
		}
		return b.String(), n + 1, nil
	}
	return "", 0, errNoHeader
}

// parseHeader reads a header's YAML. line is added to the numbers of lines in errors.
func parseHeader(text string, line int) (h header, err error) {
	defer func() {
		// The parser is not ours, and the text is anybody's.
		if p := recover(); p != nil {
			err = fmt.Errorf("its header cannot be read: %v", p)
		}
	}()
	err = yaml.NewDecoder(bytes.NewReader([]byte(text)), yaml.Strict()).Decode(&h)
	var at yaml.Error
	switch {
	case err == nil:
		return h, nil
	case errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil:
		return h, fmt.Errorf("line %d: %s", line+at.GetToken().Position.Line, at.GetMessage())
	}
	return h, fmt.Errorf("its header cannot be read: %w", err)
}

// apply checks the header and fills c with it. c.Name is the default name.
func (h header) apply(c *Check) error {
	if h.Name != "" {
		c.Name = h.Name
	}
	c.Title, c.Advisory, c.Shared = strings.TrimSpace(h.Title), h.Blocking != nil && !*h.Blocking, h.Exclusive != nil && !*h.Exclusive
	c.Criterion, c.Labels, c.Needs, c.User = h.Criterion, h.Labels, h.Needs, h.User
	c.State, c.Limit = check.State(h.State), defaultLimit
	if c.State == "" {
		c.State = check.Booted
	}
	if c.User == "root" {
		c.User = ""
	}
	if h.Limit != "" {
		var err error
		if c.Limit, err = time.ParseDuration(h.Limit); err != nil {
			return fmt.Errorf("its limit %q is no time such as 90s or 10m", h.Limit)
		}
	}
	if err := c.valid(); err != nil {
		return err
	}
	for _, l := range []struct {
		key   string
		list  []string
		shape *regexp.Regexp
	}{
		{"labels", h.Labels, labelShape}, {"needs.packages", h.Needs.Packages, packageShape},
		{"needs.commands", h.Needs.Commands, commandShape}, {"needs.files", h.Needs.Files, fileShape},
	} {
		if len(l.list) > listLimit {
			return fmt.Errorf("its list %s has %d entries, more than %d", l.key, len(l.list), listLimit)
		}
		for _, v := range l.list {
			if !l.shape.MatchString(v) {
				return fmt.Errorf("%q in its list %s is not of the form %s", v, l.key, l.shape)
			}
		}
	}
	return nil
}

// steers reports a character that does something to a line instead of being in it.
func steers(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError
}

// valid refuses values that cannot be carried out.
func (c *Check) valid() error {
	switch {
	case !nameShape.MatchString(c.Name):
		return fmt.Errorf("its name %q is not of the form %s; give it one with the key name", c.Name, nameShape)
	case c.Title == "":
		return errors.New("its header has no title: what does it promise, in one sentence?")
	case len([]rune(c.Title)) > titleLimit || strings.ContainsFunc(c.Title, steers):
		return fmt.Errorf("its title is no line of at most %d characters that can be shown", titleLimit)
	case c.Criterion != "" && !criterionShape.MatchString(c.Criterion):
		return fmt.Errorf("its criterion %q is not of the form %s", c.Criterion, criterionShape)
	case c.State != check.Booted && c.State != check.Fresh && c.State != check.Upgraded:
		return fmt.Errorf("its state is %q, none of booted, fresh, upgraded", c.State)
	case c.User != "" && !userShape.MatchString(c.User):
		return fmt.Errorf("its user %q is no user name; root, ordinary (the user of the seed) or a name that the image has", c.User)
	case c.Limit < time.Second || c.Limit > longestLimit:
		return fmt.Errorf("its limit of %s is not between %s and %s", c.Limit, time.Second, longestLimit)
	case c.Needs.Memory < 0:
		return fmt.Errorf("it needs %d MiB of memory", c.Needs.Memory)
	}
	return nil
}
