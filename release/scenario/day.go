package scenario

import (
	"fmt"
	"strings"
	"time"

	"assay/release"
	"assay/reports"
)

// The streams. Stable follows every second dated release of Main, whose content
// the signing build system has to build anew.
const (
	Main   release.Stream = "atomic-43"
	Stable release.Stream = "atomic-stable"
)

// Zone is where the release team lives: its dates are at 14:00 there, and summer
// time ends in the second week.
var Zone = func() *time.Location {
	z, err := time.LoadLocation("Europe/Prague")
	if err != nil {
		panic(err)
	}
	return z
}()

// Start is the Monday of the first week.
var Start = time.Date(2026, 10, 12, 0, 0, 0, 0, Zone)

// Day is one row of the table: what happens, and what the world sees of it by the
// evening. What it does not mention does not happen, or the test fails.
type Day struct {
	// Is is "WEEK WEEKDAY": "2 Tue".
	Is string
	// Night is the nightly build of Main.
	Night Night
	// Signed is what the signing build system brings at 15:00, if anything.
	Signed Night
	// Says are what people say, in order.
	Says []Word
	// Outside is what happens to the world before the day begins.
	Outside Outside
	// Asleep is a day on which the service does not run. What is delivered
	// waits for it.
	Asleep bool

	// Main and Stable are what readers are given from this evening on, where it
	// changes; "-" is nothing.
	Main, Stable release.BuildID
	// Bugs are what happened in the tracker, "SUBJECT opened", commented, closed,
	// reopened or "closed by its maintainer", with commas.
	Bugs string
	// Mails are the subjects of the day's mails without the stream's title, with
	// semicolons.
	Mails string
	// Warns are the warnings on the page of Main from this evening on, where
	// they change, with semicolons; "-" for none.
	Warns string
	// Because is what Decide says of the day, or of why nothing is released; it
	// is part of that text.
	Because string
}

// Night is a compose and what came of its tests.
type Night struct {
	// Kind is how the compose ended.
	Kind Kind
	// About is what a person calls it.
	About string
	// Fails are the cases that do not pass.
	Fails []Fail
	// Mirrored means that another file than the build's was tested.
	Mirrored bool
	// Twice delivers the announcement a second time; Contradicts delivers one
	// that says other digests.
	Twice, Contradicts bool
}

// Kind is how a compose ended.
type Kind string

// The kinds. The zero value is a night of no interest, as of the signing system.
const (
	Quiet   Kind = ""
	Made    Kind = "made"
	Doomed  Kind = "doomed"
	Missing Kind = "missing"
)

// Fail is a case that does not pass.
type Fail struct {
	Check    reports.CaseID
	On       release.ArtifactID // empty is everywhere
	Message  string
	Advisory bool
	// Infra fails for reasons of the test's host, and in the first attempt alone.
	Infra bool
}

// Word is what a person says.
type Word struct {
	At     string // "09:00", in Zone
	Who    string
	Stream release.Stream
	Fact   release.Fact
	// Refused is a part of why it is not recorded; empty when it is.
	Refused string
}

// Outside is a change of the world.
type Outside struct {
	// TrackerDown and TrackerUp take the tracker away and bring it back.
	TrackerDown, TrackerUp bool
	// WontFix is a bug that its maintainer closes as not to be fixed.
	WontFix release.Subject
}

// Made by the composer without fault.
var good = Night{Kind: Made, About: "good"}

func doomed(why string) Night { return Night{Kind: Doomed, About: why} }

var missing = Night{Kind: Missing, About: "no compose"}

func fails(check reports.CaseID, message string, on ...release.ArtifactID) Night {
	n := Night{Kind: Made, About: string(check) + " fails"}
	for _, a := range append(on, "")[:max(1, len(on))] {
		n.Fails = append(n.Fails, Fail{Check: check, On: a, Message: message})
	}
	return n
}

func infra(check reports.CaseID, message string) Night {
	return Night{Kind: Made, About: "good at the second try", Fails: []Fail{{Check: check, Message: message, Infra: true}}}
}

func advisory(check reports.CaseID, message string) Night {
	return Night{Kind: Made, About: "good, an advisory check fails", Fails: []Fail{{Check: check, Message: message, Advisory: true}}}
}

func (n Night) but(about string, change func(*Night)) Night {
	change(&n)
	n.About = about
	return n
}

func says(at, who string, f release.Fact) Word { return Word{At: at, Who: who, Stream: Main, Fact: f} }

// waives lets a check pass until two weeks later.
func waives(at, who, name string, b release.BuildID, check reports.CaseID, on release.ArtifactID, why string) Word {
	day, err := time.Parse("20060102", b.Date())
	if err != nil {
		panic(err)
	}
	return says(at, who, &release.CheckWaived{Waiver: name, Build: b, Check: check, Artifact: on, Word: reason(why, 70), Expires: day.AddDate(0, 0, 14)})
}

// asks wants a release out of band.
func asks(at, who, name string, b release.BuildID, why string) Word {
	return says(at, who, &release.PromotionRequested{Request: name, Build: b, Word: reason(why, 75)})
}

func (w Word) of(s release.Stream) Word    { w.Stream = s; return w }
func (w Word) refused(because string) Word { w.Refused = because; return w }
func reason(why string, bug int) release.Word {
	return release.Word{Reason: why, Tracker: fmt.Sprintf("https://bugs.example/%d", bug)}
}

// Date is midnight of the day.
func (d Day) Date() time.Time {
	var week int
	var name string
	if n, err := fmt.Sscanf(d.Is, "%d %s", &week, &name); err != nil || n != 2 {
		panic("day " + d.Is)
	}
	days := strings.Index("MonTueWedThuFriSatSun", name)
	if days < 0 || days%3 != 0 || week < 1 {
		panic("day " + d.Is)
	}
	return Start.AddDate(0, 0, 7*(week-1)+days/3)
}

// at is a time of the day, "15:04" in Zone.
func (d Day) at(clock string) time.Time {
	c, err := time.Parse("15:04", clock)
	if err != nil {
		panic(err)
	}
	y, m, day := d.Date().Date()
	return time.Date(y, m, day, c.Hour(), c.Minute(), 0, 0, Zone)
}

// Build is the number of the build that a stream gets on this day.
func (d Day) Build() release.BuildID { return release.NewBuildID(d.Date(), 1) }

// String is for a person.
func (w Word) String() string {
	what, why := string(w.Fact.Type()), ""
	switch f := w.Fact.(type) {
	case *release.BuildMarked:
		what, why = fmt.Sprintf("marks %s %s", f.Build, f.Mark), f.Reason
	case *release.CheckWaived:
		what, why = fmt.Sprintf("waives %s of %s", f.Check, f.Build), f.Reason
	case *release.PromotionRequested:
		what, why = fmt.Sprintf("wants %s released now", f.Build), f.Reason
	case *release.ReleaseRevoked:
		what, why = fmt.Sprintf("revokes %s", f.Build), f.Reason
	case *release.StreamBlocked:
		what, why = "blocks the stream", f.Reason
	case *release.StreamUnblocked:
		what, why = "unblocks the stream", f.Reason
	case *release.RebuildRequested:
		what, why = fmt.Sprintf("wants %s rebuilt again", f.From), f.Reason
	}
	text := fmt.Sprintf("%s %s: %s", w.Who, what, why)
	if w.Refused != "" {
		text += " (refused)"
	}
	return text
}
