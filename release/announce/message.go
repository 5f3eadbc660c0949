package announce

import (
	"cmp"
	"slices"
	"time"

	"assay/release/packages"
)

// Form is a sort of message.
type Form string

// The forms of messages. Topics are below the configured prefix.
const (
	// Assay says everything: topic assay.release.complete or
	// assay.release.revoked, body Message.
	Assay Form = "assay"
	// TwoWeek is what Fedora's two-week Atomic releases were announced with:
	// topic releng.atomic.twoweek.complete, architectures and their images. It has
	// no words for a revocation.
	TwoWeek Form = "twoweek"
	// CoreOS is what Fedora CoreOS's tools listen for: coreos.stream.release
	// and coreos.stream.metadata.update, which says: read stream.json again.
	CoreOS Form = "coreos"
)

// Forms lists them.
var Forms = []Form{Assay, TwoWeek, CoreOS}

// Message is the body of the Assay form.
type Message struct {
	Stream string `json:"stream"`
	Title  string `json:"title,omitempty"`
	// Build is what is out; empty when a revocation left nothing.
	Build   string `json:"build,omitempty"`
	Compose string `json:"compose_id,omitempty"`
	// Decided is when it was decided or revoked.
	Decided  time.Time `json:"decided"`
	Number   int       `json:"number,omitempty"`
	Slot     string    `json:"slot,omitempty"`
	Previous string    `json:"previous,omitempty"`
	Reasons  []string  `json:"reasons,omitempty"`
	// Images are by architecture, then by kind.
	Images      map[string]map[string]MessageImage `json:"images,omitempty"`
	Commits     []MessageCommit                    `json:"commits,omitempty"`
	Packages    *MessagePackages                   `json:"packages,omitempty"`
	KnownIssues []MessageIssue                     `json:"known_issues,omitempty"`
	Bugs        []string                           `json:"bugs,omitempty"`
	Links       map[string]string                  `json:"links"`
	Revoked     *MessageRevoked                    `json:"revoked,omitempty"`
}

// MessageImage is one file of a release.
type MessageImage struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// MessageCommit is an ostree commit of a release, as readers get it.
type MessageCommit struct {
	Arch     string `json:"arch"`
	Ref      string `json:"ref"`
	CommitID string `json:"commitid"`
}

// MessagePackages are the changes since Previous, at most 200 of each kind; the
// counts are of all.
type MessagePackages struct {
	Upgraded   MessageChanges `json:"upgraded"`
	Downgraded MessageChanges `json:"downgraded"`
	Added      MessageChanges `json:"added"`
	Removed    MessageChanges `json:"removed"`
}

// MessageChanges are changes of one kind.
type MessageChanges struct {
	Count int             `json:"count"`
	List  []MessageChange `json:"list,omitempty"`
}

// MessageChange is a package and its versions.
type MessageChange struct {
	Name string `json:"name"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// MessageIssue is a failure that the release was made in spite of.
type MessageIssue struct {
	Check    string `json:"check"`
	Artifact string `json:"artifact"`
	Text     string `json:"text"`
}

// MessageRevoked is the release that was taken back.
type MessageRevoked struct {
	Build   string    `json:"build"`
	Reason  string    `json:"reason"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Tracker string    `json:"tracker,omitempty"`
	// Since and Until are from when to when it was out.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// twoWeekImage is one image in the TwoWeek form.
type twoWeekImage struct {
	Name      string `json:"name"`
	ImageName string `json:"image_name"`
	ImageURL  string `json:"image_url"`
	Release   string `json:"release"`
	ComposeID string `json:"compose_id"`
	Size      int64  `json:"size"`
}

// twoWeekKeys are the words of that message for kinds of images.
var twoWeekKeys = map[string]string{"qcow2": "atomic_qcow2", "raw.xz": "atomic_raw", "iso": "atomic_dvd_ostree", "dvd-ostree": "atomic_dvd_ostree",
	"vagrant-libvirt": "atomic_vagrant_libvirt", "vagrant-virtualbox": "atomic_vagrant_virtualbox"}

// outgoing is a topic below the prefix and its body.
type outgoing struct {
	topic string
	body  any
}

// messages are what forms make of an announcement, in the order of Forms.
func (a *announcement) messages(forms []Form, version string) (out []outgoing) {
	revoked := a.work.Revoked != nil
	if slices.Contains(forms, Assay) {
		topic := "assay.release.complete"
		if revoked {
			topic = "assay.release.revoked"
		}
		out = append(out, outgoing{topic, a.message()})
	}
	if slices.Contains(forms, TwoWeek) && !revoked {
		out = append(out, outgoing{"releng.atomic.twoweek.complete", a.twoWeek(version)})
	}
	if slices.Contains(forms, CoreOS) {
		type update struct {
			Stream string `json:"stream"`
		}
		type released struct {
			BuildID    string   `json:"build_id"`
			BaseArches []string `json:"basearches"`
			Stream     string   `json:"stream"`
		}
		if !revoked {
			r := released{BuildID: string(a.work.Release.Build), Stream: string(a.Policy.Stream), BaseArches: []string{}}
			for _, i := range a.images() {
				if arch := string(i.ID.Arch()); !slices.Contains(r.BaseArches, arch) {
					r.BaseArches = append(r.BaseArches, arch)
				}
			}
			slices.Sort(r.BaseArches)
			out = append(out, outgoing{"coreos.stream.release", r})
		}
		out = append(out, outgoing{"coreos.stream.metadata.update", update{string(a.Policy.Stream)}})
	}
	return out
}

func (a *announcement) message() Message {
	r := a.work.Release
	m := Message{Stream: string(a.Policy.Stream), Title: text(a.Policy.Title), Build: string(r.Build), Decided: a.at.UTC(), Number: r.Number,
		Slot: string(r.Slot), Previous: string(r.Previous), Links: map[string]string{"downloads": a.home(), "stream_metadata": a.Page + "/stream.json",
			"updates": a.Page + "/updates.json", "history": a.Page + "/history.html"}}
	if r.Build != "" {
		m.Links["build"] = a.buildPage(r.Build)
	}
	if b := a.work.Build; b != nil {
		m.Compose = text(b.Compose)
	}
	for _, c := range r.Commits[:min(len(r.Commits), maxItems)] {
		m.Commits = append(m.Commits, MessageCommit{string(c.Arch), text(c.Ref), c.Checksum})
	}
	for i, f := range a.images() {
		if i == maxPackages {
			break
		}
		arch := string(f.ID.Arch())
		if m.Images == nil {
			m.Images = map[string]map[string]MessageImage{}
		}
		if m.Images[arch] == nil {
			m.Images[arch] = map[string]MessageImage{}
		}
		m.Images[arch][f.ID.Kind()] = MessageImage{f.Name, a.file(r.Build, f.Name), f.Digest.Hex(), f.Size}
	}
	for _, s := range r.Reasons[:min(len(r.Reasons), maxItems)] {
		m.Reasons = append(m.Reasons, text(s))
	}
	if d := a.diff; d != nil {
		m.Packages = &MessagePackages{changesOf(d.Upgraded), changesOf(d.Downgraded), changesOf(d.Added), changesOf(d.Removed)}
	}
	for _, f := range a.work.Known[:min(len(a.work.Known), maxItems)] {
		m.KnownIssues = append(m.KnownIssues, MessageIssue{text(string(f.Case.Check)), string(f.Artifact), text(f.Case.Message)})
	}
	for _, b := range a.work.Bugs[:min(len(a.work.Bugs), maxItems)] {
		m.Bugs = append(m.Bugs, text(b))
	}
	if x := a.work.Revoked; x != nil {
		m.Links["revoked"] = a.buildPage(x.Build)
		m.Revoked = &MessageRevoked{Build: string(x.Build), Since: utc(a.work.Since), Until: utc(a.work.Until)}
		if x.Revoked != nil {
			m.Revoked.Reason, m.Revoked.By, m.Revoked.At, m.Revoked.Tracker = text(x.Revoked.Reason), text(x.Revoked.By.String()), x.Revoked.At.UTC(), link(x.Revoked.Tracker)
		}
	}
	return m
}

// utc leaves no moment none.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

func changesOf(list []packages.Change) MessageChanges {
	m := MessageChanges{Count: len(list)}
	for _, c := range list[:min(len(list), maxPackages)] {
		m.List = append(m.List, MessageChange{text(c.Name), text(c.From), text(c.To)})
	}
	return m
}

func (a *announcement) twoWeek(version string) map[string]map[string]twoWeekImage {
	out := map[string]map[string]twoWeekImage{}
	compose := string(a.work.Release.Build)
	if b := a.work.Build; b != nil {
		compose = text(cmp.Or(b.Compose, compose))
	}
	for i, f := range a.images() {
		arch := string(f.ID.Arch())
		if i == maxPackages {
			break
		}
		if out[arch] == nil {
			out[arch] = map[string]twoWeekImage{}
		}
		key := cmp.Or(twoWeekKeys[f.ID.Kind()], f.ID.Kind())
		out[arch][key] = twoWeekImage{compose, f.Name, a.file(a.work.Release.Build, f.Name), version, compose, f.Size}
	}
	return out
}
