package reports

import (
	"fmt"
	"strings"
	"time"

	"assay/artifact"
)

// FormatVersion is the version of results.json. A reader refuses a higher one.
const FormatVersion = 1

// Outcome is how one case ended.
type Outcome string

// A case ends in exactly one of these.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
	// Errored means that the question was not answered: the fault is the
	// test's or the infrastructure's, never the image's.
	Errored Outcome = "errored"
)

// Fault says whose failure it is; empty for passed and skipped cases.
type Fault string

// Only FaultImage rejects an image.
const (
	FaultNone  Fault = ""
	FaultImage Fault = "image"
	FaultTest  Fault = "test"
	FaultInfra Fault = "infra"
)

// Verdict is what a run says of its image.
type Verdict string

// The three verdicts. In doubt a run is undecided.
const (
	Accepted  Verdict = "accepted"
	Rejected  Verdict = "rejected"
	Undecided Verdict = "undecided"
)

// CaseID names a check for ever: "criterion/check", lower case, words joined
// by hyphens.
type CaseID string

// Run is the whole of results.json.
type Run struct {
	// Version is FormatVersion of the writer.
	Version int    `json:"version"`
	ID      string `json:"id"`
	Tool    Tool   `json:"tool"`
	// Command is the command line that started the run; secrets never stand in
	// arguments.
	Command  []string  `json:"command,omitempty"`
	Host     Host      `json:"host"`
	Image    Image     `json:"image"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	Verdict  Verdict   `json:"verdict"`
	// Reason is the verdict in one sentence for the person who reads it.
	Reason string `json:"reason"`
	// Incomplete says why the run did not judge what it set out to judge ("the
	// image changed while it was judged: ..."), whatever the cases say; empty
	// when it did.
	Incomplete string `json:"incomplete,omitempty"`
	// Selection is the choice of checks that was made; nil when all ran.
	Selection *Selection `json:"selection,omitempty"`
	Counts    Counts     `json:"counts"`
	Suites    []Suite    `json:"suites"`
	Timeline  []Span     `json:"timeline,omitempty"`
	Boots     []Boot     `json:"boots,omitempty"`
	// Notes are remarks about the run itself ("forks are off: ...").
	Notes []string `json:"notes,omitempty"`
	// Usage is what the harness itself spent.
	Usage *Usage `json:"usage,omitempty"`
	// Dir is the results folder this run was written to or read from, empty
	// for one that is in memory only. It is no part of results.json.
	Dir string `json:"-"`
}

// Selection is a choice of checks, as it was given: patterns of suites and of
// check ids, and labels, of which "!slow" leaves out what carries slow.
type Selection struct {
	Suites []string `json:"suites,omitempty"`
	Checks []string `json:"checks,omitempty"`
	Labels []string `json:"labels,omitempty"`
}

// String is the choice as flags of `assay run`.
func (s *Selection) String() string {
	if s == nil {
		return "all checks"
	}
	var flags []string
	for _, f := range []struct {
		name   string
		values []string
	}{{"suite", s.Suites}, {"check", s.Checks}, {"label", s.Labels}} {
		if len(f.values) > 0 {
			flags = append(flags, fmt.Sprintf("--%s %s", f.name, strings.Join(f.values, ",")))
		}
	}
	return strings.Join(flags, " ")
}

// Tool is the program that wrote the results.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Host is where the guests ran.
type Host struct {
	Arch artifact.Arch `json:"arch"`
	CPUs int           `json:"cpus"`
	// MemoryMiB is the host's whole memory.
	MemoryMiB int `json:"memory_mib"`
	// Accelerator is "kvm" or "tcg" (emulation).
	Accelerator string `json:"accelerator"`
	Libvirt     string `json:"libvirt,omitempty"`
	QEMU        string `json:"qemu,omitempty"`
	// Scale is how many times longer limits were than on a KVM host.
	Scale float64 `json:"scale"`
}

// Image is the identity of what was judged.
type Image struct {
	Name        string               `json:"name"`
	Path        string               `json:"path"`
	Digest      artifact.Digest      `json:"digest"`
	Format      artifact.Format      `json:"format"`
	Compression artifact.Compression `json:"compression,omitempty"`
	Arch        artifact.Arch        `json:"arch"`
	Size        int64                `json:"size"`
	VirtualSize int64                `json:"virtual_size"`
	Firmware    artifact.Firmware    `json:"firmware,omitempty"`
	// Stream is the line of builds the image belongs to ("stable", "testing"),
	// as whoever started the run told it; empty when nobody did.
	Stream string `json:"stream,omitempty"`
	// The rest was read in the guest, and is empty when none came up.
	OS            string `json:"os,omitempty"`         // os-release PRETTY_NAME
	OSID          string `json:"os_id,omitempty"`      // os-release ID
	OSVersion     string `json:"os_version,omitempty"` // os-release VERSION_ID
	Kernel        string `json:"kernel,omitempty"`
	OSTreeCommit  string `json:"ostree_commit,omitempty"`
	OSTreeVersion string `json:"ostree_version,omitempty"`
	OSTreeRef     string `json:"ostree_ref,omitempty"`
}

// Counts sums up the cases of a run.
type Counts struct {
	Total   int `json:"total"`
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	Errored int `json:"errored"`
	// BlockingRun is how many blocking cases passed or failed: none is never a pass.
	BlockingRun int `json:"blocking_run"`
	// Known is how many failures a known-failure entry covers.
	Known int `json:"known"`
	// Advisory is how many failed cases were advisory.
	Advisory int `json:"advisory_failed"`
}

// Suite is the cases of one criterion.
type Suite struct {
	// Name is the folder of the suite: "base", "cloud-init", ...
	Name string `json:"name"`
	// Criterion is the row of the release criteria: "S0", "S9", ...
	Criterion string        `json:"criterion"`
	Title     string        `json:"title"`
	Started   time.Time     `json:"started"`
	Duration  time.Duration `json:"duration_ns"`
	Cases     []Case        `json:"cases"`
}

// Case is one check's result in one run.
type Case struct {
	ID CaseID `json:"id"`
	// Title is what is promised, in one sentence: "no unit has failed".
	Title    string  `json:"title"`
	Outcome  Outcome `json:"outcome"`
	Fault    Fault   `json:"fault,omitempty"`
	Blocking bool    `json:"blocking"`
	// Inapplicable says of a skipped case that the image shows itself to be of
	// a kind that the promise is not made for. What is merely missing is not that.
	Inapplicable bool `json:"inapplicable,omitempty"`
	// Labels are free words to choose checks by.
	Labels []string `json:"labels,omitempty"`
	// Known is the known-failure entry that covers this failure.
	Known    *Known        `json:"known,omitempty"`
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration_ns"`
	// Message is one sentence: what is wrong, or why it was skipped. At most
	// MessageLimit bytes are written.
	Message string `json:"message,omitempty"`
	// Details is more text when there is more to say; at most DetailsLimit
	// bytes are written.
	Details  string     `json:"details,omitempty"`
	Evidence []Evidence `json:"evidence,omitempty"`
	// Replay is the one-line command that runs just this check again.
	Replay string `json:"replay,omitempty"`
	// Guest is the guest it ran in.
	Guest string `json:"guest,omitempty"`
	// Attempts are earlier tries that ended in an infra fault, oldest first.
	Attempts []Attempt `json:"attempts,omitempty"`
}

// Known is the part of a known-failure entry that a reader wants to see.
type Known struct {
	Tracker string `json:"tracker"`
	Reason  string `json:"reason,omitempty"`
	// Expires is the last day on which the entry counts, YYYY-MM-DD.
	Expires string `json:"expires"`
}

// Covers reports whether k excuses a failure. An entry that names no tracker
// excuses nothing: nobody would ever look at it again. Whether it has expired
// is judged where the clock is, in reports/known.
func (k *Known) Covers() bool { return k != nil && k.Tracker != "" }

// Attempt is one earlier try of a case.
type Attempt struct {
	Number  int           `json:"number"`
	Guest   string        `json:"guest,omitempty"`
	Outcome Outcome       `json:"outcome"`
	Fault   Fault         `json:"fault,omitempty"`
	Message string        `json:"message,omitempty"`
	Took    time.Duration `json:"duration_ns"`
}

// Evidence is one thing that shows what happened.
type Evidence struct {
	// Kind is "console", "journal", "command", "file" or "screenshot".
	Kind  string `json:"kind"`
	Title string `json:"title"`
	// Path is relative to the results folder, with slashes; empty when the
	// excerpt is all there is.
	Path string `json:"path,omitempty"`
	// Excerpt is the telling lines, at most ExcerptLimit bytes.
	Excerpt string `json:"excerpt,omitempty"`
}

// ExcerptLimit bounds Evidence.Excerpt, in bytes: a page stays readable and a
// hostile log stays small.
const ExcerptLimit = 16 << 10

// Bounds of Case.Message and Case.Details, in bytes, for the same reason.
const (
	MessageLimit = 4 << 10
	DetailsLimit = 32 << 10
)

// Span is one bar of the timeline.
type Span struct {
	// Kind is "image", "wait" (for room on the host), "boot", "save", "fork", "suite", "reboot" or "retry".
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Guest string `json:"guest,omitempty"`
	// Start and End are offsets from Run.Started.
	Start time.Duration `json:"start_ns"`
	End   time.Duration `json:"end_ns"`
	// OK is false when what the bar stands for failed.
	OK bool `json:"ok"`
}

// Boot says where one boot spent its time. Phases that nothing told of are 0.
type Boot struct {
	Guest string `json:"guest"`
	// Kind is "cold", "fork" or "reboot".
	Kind     string            `json:"kind"`
	Firmware artifact.Firmware `json:"firmware,omitempty"`
	// ToBanner is from power-on to the SSH banner, ToReady to the first
	// command in a finished boot.
	ToBanner time.Duration `json:"to_banner_ns,omitempty"`
	ToReady  time.Duration `json:"to_ready_ns,omitempty"`
	// The guest's own account (systemd-analyze).
	Loader    time.Duration `json:"loader_ns,omitempty"`
	Kernel    time.Duration `json:"kernel_ns,omitempty"`
	Initrd    time.Duration `json:"initrd_ns,omitempty"`
	Userspace time.Duration `json:"userspace_ns,omitempty"`
	// Slowest are the units that took longest, slowest first.
	Slowest []UnitTime `json:"slowest,omitempty"`
}

// UnitTime is one line of systemd-analyze blame.
type UnitTime struct {
	Unit string        `json:"unit"`
	Took time.Duration `json:"took_ns"`
}

// Usage is what the harness spent on itself, guests not counted.
type Usage struct {
	CPU          time.Duration `json:"cpu_ns"`
	MaxRSSKiB    int64         `json:"max_rss_kib"`
	ChildrenCPU  time.Duration `json:"children_cpu_ns"`
	ChildrenPeak int64         `json:"children_max_rss_kib"`
}
