package reports

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// VerdictID is the case that JUnit and TAP get in addition when the run is not
// accepted and no case of its own says so: a criterion that was skipped from
// end to end, say. A program that reads only cases then cannot take the run
// for a good one.
const VerdictID CaseID = "assay/verdict"

// The elements that Jenkins, GitLab and the other readers of the JUnit format
// agree on, as in the schema that Jenkins' xUnit plugin ships.
type (
	junitRoot struct {
		XMLName xml.Name `xml:"testsuites"`
		Name    string   `xml:"name,attr"`
		junitSums
		Timestamp string       `xml:"timestamp,attr,omitempty"`
		Suites    []junitSuite `xml:"testsuite"`
	}
	junitSums struct {
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Errors   int    `xml:"errors,attr"`
		Skipped  int    `xml:"skipped,attr"`
		Time     string `xml:"time,attr"`
	}
	junitSuite struct {
		Name    string `xml:"name,attr"`
		Package string `xml:"package,attr,omitempty"`
		junitSums
		Timestamp  string           `xml:"timestamp,attr,omitempty"`
		Hostname   string           `xml:"hostname,attr,omitempty"`
		Properties *junitProperties `xml:"properties"`
		Cases      []junitCase      `xml:"testcase"`
	}
	junitProperties struct {
		List []junitProperty `xml:"property"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name       string           `xml:"name,attr"`
		Class      string           `xml:"classname,attr"`
		Time       string           `xml:"time,attr"`
		Properties *junitProperties `xml:"properties"`
		Failure    *junitResult     `xml:"failure"`
		Error      *junitResult     `xml:"error"`
		Skipped    *junitResult     `xml:"skipped"`
		Out        *junitText       `xml:"system-out"`
	}
	junitText struct {
		Text string `xml:",cdata"`
	}
	junitResult struct {
		Type    string `xml:"type,attr,omitempty"`
		Message string `xml:"message,attr"`
		Text    string `xml:",cdata"`
	}
)

// EncodeJUnit writes run as JUnit XML. A failure is the image's, an error is
// an answer that is missing. Failures that do not count against the image
// (known ones, advisory ones) are skips whose message says so, so that the
// file is red exactly when the run is not accepted.
func EncodeJUnit(w io.Writer, run *Run) error {
	root := junitRoot{Name: "assay", Timestamp: junitTime(run.Started)}
	for _, s := range run.Suites {
		root.add(junitSuiteOf(run, s))
	}
	if run.Verdict != Accepted && root.Failures+root.Errors == 0 {
		root.add(junitSuiteOf(run, Suite{Name: "assay", Started: run.Started, Cases: []Case{verdictCase(run)}}))
	}
	root.Time = seconds(run.Finished.Sub(run.Started))
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("cannot write JUnit: %w", err)
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(root); err != nil {
		return fmt.Errorf("cannot write JUnit: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (r *junitRoot) add(s junitSuite) {
	r.Tests += s.Tests
	r.Failures += s.Failures
	r.Errors += s.Errors
	r.Skipped += s.Skipped
	r.Suites = append(r.Suites, s)
}

// verdictCase is the case that stands for the verdict itself.
func verdictCase(run *Run) Case {
	c := Case{ID: VerdictID, Title: "the image is accepted", Blocking: true, Started: run.Started,
		Outcome: Errored, Fault: FaultInfra, Message: run.Reason}
	if run.Verdict == Rejected {
		c.Outcome, c.Fault = Failed, FaultImage
	}
	return c
}

func junitSuiteOf(run *Run, s Suite) junitSuite {
	out := junitSuite{
		Name: Line(s.Name, 200), Package: Line(s.Criterion, 200), Timestamp: junitTime(s.Started),
		Properties: properties(
			"verdict", string(run.Verdict), "reason", run.Reason, "title", s.Title, "run", run.ID,
			"image.name", run.Image.Name, "image.digest", string(run.Image.Digest), "image.arch", string(run.Image.Arch),
			"image.os", run.Image.OS, "image.kernel", run.Image.Kernel,
			"image.ostree_commit", run.Image.OSTreeCommit, "image.ostree_version", run.Image.OSTreeVersion,
			"tool", run.Tool.Name+" "+run.Tool.Version, "host.accelerator", run.Host.Accelerator),
	}
	out.Time = seconds(s.Duration)
	for _, c := range s.Cases {
		j := junitCaseOf(s, c)
		out.Tests++
		switch {
		case j.Failure != nil:
			out.Failures++
		case j.Error != nil:
			out.Errors++
		case j.Skipped != nil:
			out.Skipped++
		}
		out.Cases = append(out.Cases, j)
	}
	return out
}

func junitCaseOf(s Suite, c Case) junitCase {
	blocking := ""
	if !c.Blocking {
		blocking = "advisory"
	}
	j := junitCase{
		Name: Line(string(c.ID), 300), Class: Line(s.Name, 200), Time: seconds(c.Duration), Out: evidenceText(c),
		Properties: properties("title", c.Title, "fault", string(c.Fault), "weight", blocking, "guest", c.Guest,
			"labels", strings.Join(c.Labels, " "), "replay", c.Replay),
	}
	if c.Known.Covers() {
		j.Properties.List = append(j.Properties.List, properties("tracker", c.Known.Tracker, "expires", c.Known.Expires).List...)
	}
	message := Line(c.Message, MessageLimit)
	result := &junitResult{Type: Line(string(c.Fault), 40), Message: message,
		// Some readers show the attribute and some the text.
		Text: xmlText(strings.TrimSuffix(c.Message+"\n"+excerpt(c.Details, DetailsLimit), "\n"))}
	switch c.Standing() {
	case Holds:
	case Absent:
		j.Skipped = &junitResult{Message: message}
	case Excused:
		result.Type = "known"
		result.Message = "known failure " + Line(c.Known.Tracker, 500) + ": " + message
		j.Skipped = result
	case Noted:
		result.Type = "advisory"
		result.Message = fmt.Sprintf("advisory, %s: %s", Line(string(c.Outcome), 40), message)
		j.Skipped = result
	case Rejects:
		j.Failure = result
	default:
		j.Error = result
	}
	return j
}

// evidenceText is what a reader without the results folder sees of the
// evidence: where it lies.
func evidenceText(c Case) *junitText {
	var b strings.Builder
	for _, a := range c.Attempts {
		fmt.Fprintf(&b, "attempt %d on %s: %s (%s): %s\n", a.Number, Line(a.Guest, 100), Line(string(a.Outcome), 40),
			Line(string(a.Fault), 40), Line(a.Message, 1000))
	}
	for _, e := range c.Evidence {
		fmt.Fprintf(&b, "%s: %s", Line(e.Kind, 40), Line(e.Title, 300))
		if e.Path != "" {
			fmt.Fprintf(&b, ": %s", Line(e.Path, 1000))
		}
		b.WriteByte('\n')
	}
	if c.Replay != "" && b.Len() > 0 {
		fmt.Fprintf(&b, "again: %s\n", Line(c.Replay, 2000))
	}
	if b.Len() == 0 {
		return nil
	}
	return &junitText{xmlText(b.String())}
}

// properties pairs names with values and leaves out empty values.
func properties(pairs ...string) *junitProperties {
	p := &junitProperties{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if v := Line(pairs[i+1], MessageLimit); v != "" {
			p.List = append(p.List, junitProperty{Name: pairs[i], Value: v})
		}
	}
	return p
}

// xmlText is Clean: what it leaves is inside XML 1.0's Char production, as
// control characters and non-characters are written out.
func xmlText(s string) string { return Clean(s) }

// seconds is how JUnit writes a duration; a negative one (a clock that was
// set) is none.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(max(d, 0).Seconds(), 'f', 3, 64)
}

func junitTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05")
}
