package announce

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"assay/release"
	"assay/reports"
)

// ciVersion is that of the CI messages' schemas (https://pagure.io/fedora-ci/messages)
// which TestResult follows.
const ciVersion = "0.2.1"

// TestResult is the body of a message about one test, in the form of the CI
// messages of Fedora and CentOS: topics ci.productmd-compose.test.queued, .complete
// and .error below the prefix. Assay is ours; the rest is theirs.
type TestResult struct {
	Artifact ResultArtifact `json:"artifact"`
	Contact  Contact        `json:"contact"`
	Image    ResultImage    `json:"image"`
	// Pipeline is the same for all messages of one attempt.
	Pipeline ResultPipeline `json:"pipeline"`
	Run      ResultRun      `json:"run"`
	System   []ResultSystem `json:"system"`
	Test     ResultTest     `json:"test"`
	Error    *ResultError   `json:"error,omitempty"`
	// Note is a sentence for a person.
	Note      string `json:"note,omitempty"`
	Generated string `json:"generated_at"`
	Version   string `json:"version"`
	Assay     struct {
		Stream   string `json:"stream"`
		Build    string `json:"build"`
		Artifact string `json:"artifact"`
		Attempt  int    `json:"attempt"`
		Digest   string `json:"digest"`
		// Run is the id of the run of assay, in a result.
		Run string `json:"run,omitempty"`
	} `json:"assay"`
}

// ResultArtifact is the compose that was tested.
type ResultArtifact struct {
	Type string `json:"type"`
	// ID is the upstream's name of the compose, or our number of a build that has
	// none.
	ID          string `json:"id"`
	ComposeType string `json:"compose_type"`
}

// ResultImage is the file that was tested.
type ResultImage struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// ResultPipeline names what a test was asked for with.
type ResultPipeline struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ResultRun is where a test can be looked at.
type ResultRun struct {
	ID  string `json:"id"`
	URL string `json:"url"`
	Log string `json:"log"`
	// CloneOf is the ID of the attempt before.
	CloneOf string `json:"clone_of,omitempty"`
}

// ResultSystem is what the image runs on.
type ResultSystem struct {
	OS           string `json:"os"`
	Provider     string `json:"provider"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
}

// ResultTest is the test, and in a complete message what it found.
type ResultTest struct {
	Category  string `json:"category"`
	Type      string `json:"type"`
	Namespace string `json:"namespace"`
	// Lifetime is in minutes, in a queued message: nobody waits for longer.
	Lifetime int             `json:"lifetime,omitempty"`
	Result   release.Outcome `json:"result,omitempty"`
}

// ResultError is why there is no result.
type ResultError struct {
	Reason string `json:"reason"`
	// Fault is whose it is, "infra" or "test", where the run says so.
	Fault reports.Fault `json:"fault,omitempty"`
}

// message is the one about a test that was asked for, or answered. It is made of
// the history alone: made again it is the same.
func (t *Teller) message(w *release.ResultWork) outgoing {
	a := w.Of.Artifact(w.Artifact)
	if a == nil {
		a = &release.BuildArtifact{Artifact: release.Artifact{ID: w.Artifact}}
	}
	kind, arch := w.Artifact.Kind(), string(w.Artifact.Arch())
	page := t.options.Page + "/builds/" + string(w.Build) + ".html"
	name := fmt.Sprintf("assay.%s.%s.%s.%s", t.options.Policy.Stream, w.Build, kind, arch)
	attempt := func(n int) string { return fmt.Sprintf("%s.%d", name, n) }
	m := TestResult{
		Artifact:  ResultArtifact{Type: "productmd-compose", ID: text(cmp.Or(w.Of.Compose, string(w.Build))), ComposeType: composeType(w.Of.Compose)},
		Contact:   t.config.Contact,
		Image:     ResultImage{ID: text(cmp.Or(a.Name, string(w.Artifact))), Name: text(cmp.Or(a.Name, string(w.Artifact))), Type: kind},
		Pipeline:  ResultPipeline{ID: attempt(w.Attempt), Name: name},
		Run:       ResultRun{ID: attempt(w.Attempt), URL: page, Log: page},
		System:    []ResultSystem{{OS: string(t.options.Policy.Stream), Provider: "assay", Architecture: arch, Variant: kind}},
		Test:      ResultTest{Category: "validation", Type: "assay " + kind + " " + arch, Namespace: "compose"},
		Generated: w.At.UTC().Format(time.RFC3339Nano), Version: ciVersion,
	}
	m.Assay.Stream, m.Assay.Build, m.Assay.Artifact, m.Assay.Attempt, m.Assay.Digest = string(t.options.Policy.Stream), string(w.Build), string(w.Artifact), w.Attempt, string(a.Digest)
	if w.Attempt > 1 {
		m.Run.CloneOf = attempt(w.Attempt - 1)
	}
	state := "queued"
	if ans := w.Answer; w.Lapsed {
		state, m.Generated = "error", w.Deadline.UTC().Format(time.RFC3339Nano)
		m.Error = &ResultError{Reason: "nobody answered by " + w.Deadline.UTC().Format(time.RFC3339), Fault: reports.FaultInfra}
	} else if ans == nil {
		m.Test.Lifetime = max(1, int(math.Ceil(w.Deadline.Sub(w.At).Minutes())))
	} else {
		state = m.found(ans, a)
		if u := link(ans.Results); u != "" {
			m.Run.URL, m.Run.Log = u, u
		}
	}
	return outgoing{"ci." + m.Artifact.Type + ".test." + state, m}
}

// found fills in what an answer says; state is the last word of the topic.
func (m *TestResult) found(ans *release.TestAnswered, a *release.BuildArtifact) (state string) {
	m.Assay.Run, m.Note = text(ans.Run), text(ans.Reason)
	outcome, fault := ans.Outcome()
	switch {
	case a.Known && ans.Digest != a.Digest:
		m.Error = &ResultError{Reason: "other bytes were tested than those that were announced", Fault: reports.FaultTest}
	case outcome == release.OutcomeErrored:
		m.Error = &ResultError{Reason: cmp.Or(m.Note, "the run came to no verdict"), Fault: fault}
	default:
		m.Test.Result = outcome
		return "complete"
	}
	return "error"
}

// composeType reads the type that productmd has in a compose's id; a build without
// a compose is what we make of it.
func composeType(id string) string {
	for mark, kind := range map[string]string{".n.": "nightly", ".t.": "test", ".ci.": "ci", ".d.": "development"} {
		if at := strings.LastIndex(id, mark); at >= 0 && strings.Trim(id[at+len(mark):], "0123456789") == "" {
			return kind
		}
	}
	if id == "" {
		return "nightly"
	}
	return "production"
}
