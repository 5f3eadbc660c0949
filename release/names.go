package release

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"assay/artifact"
)

// Stream names a line of builds and of releases: "fedora-43", "centos-atomic".
type Stream string

var streamName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// Validate refuses what could not stand in a file name, a subject or a URL.
func (s Stream) Validate() error {
	if !streamName.MatchString(string(s)) {
		return fmt.Errorf("stream name %.80q: want 1 to 63 of a-z, 0-9, '.', '_' and '-', a letter or digit first", s)
	}
	return nil
}

// BuildID numbers a build within its stream: YYYYMMDD_NN, NN from 01, three
// digits from the hundredth of a day.
type BuildID string

var buildID = regexp.MustCompile(`^(\d{8})_(\d{2,3})$`)

// NewBuildID is the nth build of a day. Only the day of date counts, in the
// zone it stands in.
func NewBuildID(date time.Time, n int) BuildID {
	return BuildID(fmt.Sprintf("%s_%02d", date.Format("20060102"), n))
}

// ParseBuildID accepts what NewBuildID makes and nothing else, so that one
// build has one spelling.
func ParseBuildID(s string) (BuildID, error) {
	m := buildID.FindStringSubmatch(s)
	if m == nil {
		return "", fmt.Errorf("build number %.40q: want YYYYMMDD_NN, as 20261121_01", s)
	}
	date, err := time.Parse("20060102", m[1])
	if err != nil {
		return "", fmt.Errorf("build number %.40q: %s is no date", s, m[1])
	}
	n, _ := strconv.Atoi(m[2])
	id := NewBuildID(date, n)
	if n == 0 || string(id) != s {
		return "", fmt.Errorf("build number %.40q: the builds of a day are _01, _02 to _99, _100 to _999", s)
	}
	return id, nil
}

// Validate is ParseBuildID for an id that is already one.
func (b BuildID) Validate() error { _, err := ParseBuildID(string(b)); return err }

// Date is the day part, YYYYMMDD.
func (b BuildID) Date() string { d, _, _ := strings.Cut(string(b), "_"); return d }

// Compare orders builds by day, then by number: negative when b is older than c.
func (b BuildID) Compare(c BuildID) int {
	bd, bn, _ := strings.Cut(string(b), "_")
	cd, cn, _ := strings.Cut(string(c), "_")
	// Numbers of unlike length: _100 follows _99.
	return cmp.Or(cmp.Compare(bd, cd), cmp.Compare(len(bn), len(cn)), cmp.Compare(bn, cn))
}

// ArtifactID names an artifact within its build and over all builds of a
// stream: "KIND/ARCH", as "qcow2/x86_64" or "raw.xz/aarch64".
type ArtifactID string

var artifactID = regexp.MustCompile(`^[a-z0-9][a-z0-9._+-]{0,62}/[a-z0-9_]{1,31}$`)

// NewArtifactID puts the two halves together.
func NewArtifactID(kind string, arch artifact.Arch) ArtifactID {
	return ArtifactID(kind + "/" + string(arch))
}

// Kind is the first half: what sort of file it is.
func (a ArtifactID) Kind() string { k, _, _ := strings.Cut(string(a), "/"); return k }

// Arch is the second half.
func (a ArtifactID) Arch() artifact.Arch {
	_, arch, _ := strings.Cut(string(a), "/")
	return artifact.Arch(arch)
}

// Validate refuses what is not KIND/ARCH.
func (a ArtifactID) Validate() error {
	if !artifactID.MatchString(string(a)) {
		return fmt.Errorf("artifact %.100q: want KIND/ARCH, as qcow2/x86_64", a)
	}
	return nil
}

// String is how a person reads it: "qcow2 x86_64".
func (a ArtifactID) String() string { return strings.Replace(string(a), "/", " ", 1) }

// Glob is a pattern of path.Match, in which '*' also crosses '/'. The empty
// pattern matches everything.
type Glob string

// Validate refuses a malformed pattern.
func (g Glob) Validate() error {
	if _, err := path.Match(string(g), ""); err != nil {
		return fmt.Errorf("pattern %.80q is malformed", g)
	}
	return nil
}

// Match reports whether s is meant. A malformed pattern matches nothing.
func (g Glob) Match(s string) bool {
	if g == "" || g == "*" {
		return true
	}
	// The two usual forms, for speed: a name, and a family of names.
	switch head, star := strings.CutSuffix(string(g), "*"); {
	case strings.ContainsAny(head, "*?[\\"):
	case star:
		return strings.HasPrefix(s, head)
	default:
		return s == head
	}
	// path.Match stops '*' at slashes; a character that no name holds stands in.
	ok, err := path.Match(strings.ReplaceAll(string(g), "/", "\x01"), strings.ReplaceAll(s, "/", "\x01"))
	return ok && err == nil
}

// Actor is who did what an event tells of.
type Actor struct {
	// Kind is Person or Service. Only a person's word overrides a check.
	Kind ActorKind `json:"kind"`
	// Name is a login name, or the service's name.
	Name string `json:"name"`
	// Groups are those the person was in when the event was recorded.
	Groups []string `json:"groups,omitempty"`
}

// ActorKind tells people and programs apart.
type ActorKind string

// The kinds of actors.
const (
	Person  ActorKind = "person"
	Service ActorKind = "service"
)

// Self is the actor of what the release stage does by itself.
var Self = Actor{Kind: Service, Name: "assay"}

func (a Actor) String() string { return a.Name }

// Validate refuses nameless and unknown actors.
func (a Actor) Validate() error {
	switch {
	case a.Kind != Person && a.Kind != Service:
		return fmt.Errorf("actor kind %.40q: want person or service", a.Kind)
	case a.Name == "":
		return fmt.Errorf("the actor has no name")
	}
	return short("actor name", a.Name, 200)
}
