package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// roStatus is what `rpm-ostree status --json` prints (the daemon's
// deployments property and what is beside it; rpmostreed-deployment-utils.cxx).
type roStatus struct {
	Deployments  *[]roDeployment `json:"deployments"`
	Transaction  []string        `json:"transaction"`
	CachedUpdate *roUpdate       `json:"cached-update"`
}

type roDeployment struct {
	ID            string `json:"id"`
	OSName        string `json:"osname"`
	Serial        int    `json:"serial"`
	Checksum      string `json:"checksum"`
	BaseChecksum  string `json:"base-checksum"`
	Version       string `json:"version"`
	BaseVersion   string `json:"base-version"`
	Timestamp     int64  `json:"timestamp"`
	BaseTimestamp int64  `json:"base-timestamp"`
	Origin        string `json:"origin"`
	Image         string `json:"container-image-reference"`
	ImageDigest   string `json:"container-image-reference-digest"`
	Booted        bool   `json:"booted"`
	Staged        bool   `json:"staged"`
	Locked        bool   `json:"finalization-locked"`
	Pinned        bool   `json:"pinned"`
	Unlocked      string `json:"unlocked"`

	Packages       []string              `json:"packages"`
	Requested      []string              `json:"requested-packages"`
	LocalPackages  []string              `json:"requested-local-packages"`
	FilePackages   []string              `json:"requested-local-fileoverride-packages"`
	Removals       []roPackage           `json:"base-removals"`
	Local          [][]roPackage         `json:"base-local-replacements"`
	Remote         map[string]roReplaced `json:"base-remote-replacements"`
	Regenerate     bool                  `json:"regenerate-initramfs"`
	InitramfsArgs  []string              `json:"initramfs-args"`
	GPG            bool                  `json:"gpg-enabled"`
	Signatures     [][]json.RawMessage   `json:"signatures"`
	LiveReplaced   string                `json:"live-replaced"`
	LiveInProgress string                `json:"live-inprogress"`
}

type roReplaced [][]roPackage

// roPackage is a NEVRA, alone or with its parts after it.
type roPackage struct{ NEVRA, Name, EVR string }

func (p *roPackage) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &p.NEVRA); err == nil {
		return nil
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return fmt.Errorf("a package is neither a name nor a list: %.80s", b)
	}
	if len(parts) < 5 {
		return fmt.Errorf("a package has %d parts: %.80s", len(parts), b)
	}
	var epoch uint64
	var version, release string
	for i, to := range []any{&p.NEVRA, &p.Name, &epoch, &version, &release} {
		if err := json.Unmarshal(parts[i], to); err != nil {
			return fmt.Errorf("part %d of a package: %w", i, err)
		}
	}
	p.EVR = version + "-" + release
	if epoch != 0 {
		p.EVR = fmt.Sprintf("%d:%s", epoch, p.EVR)
	}
	return nil
}

// roUpdate is the update that the daemon found and has not deployed.
type roUpdate struct {
	Checksum  string `json:"checksum"`
	Version   string `json:"version"`
	Timestamp int64  `json:"timestamp"`
	New       bool   `json:"ref-has-new-commit"`
	// Diff has lists of [NEVRA tuples]; its shape differs by kind.
	Diff struct {
		Upgraded   [][]json.RawMessage `json:"upgraded"`
		Downgraded [][]json.RawMessage `json:"downgraded"`
		Removed    [][]json.RawMessage `json:"removed"`
		Added      [][]json.RawMessage `json:"added"`
	} `json:"rpm-diff"`
}

// ParseRPMOSTreeJSON reads `rpm-ostree status --json`.
func ParseRPMOSTreeJSON(text []byte) (Status, error) {
	var in roStatus
	if err := json.Unmarshal(text, &in); err != nil {
		return Status{}, fmt.Errorf("cannot read rpm-ostree's status: %w", err)
	}
	if in.Deployments == nil {
		return Status{}, errors.New("cannot read rpm-ostree's status: it has no deployments")
	}
	s := Status{Tool: RPMOSTree}
	if len(in.Transaction) > 0 {
		s.Busy = in.Transaction[0]
	}
	booted := false
	for i, r := range *in.Deployments {
		d, err := r.deployment()
		if err == nil && d.Booted && booted {
			err = errors.New("a second one is booted")
		}
		if err != nil {
			return Status{}, fmt.Errorf("cannot read rpm-ostree's status: deployment %d: %w", i, err)
		}
		booted = booted || d.Booted
		s.Deployments = append(s.Deployments, d)
	}
	mark(s.Deployments)
	if u := in.CachedUpdate; u != nil {
		s.Update = &Update{Version: u.Version, Timestamp: unix(u.Timestamp), Checksum: u.Checksum, Diff: Diff{
			Upgraded: u.changed(u.Diff.Upgraded), Downgraded: u.changed(u.Diff.Downgraded),
			Added: u.single(u.Diff.Added), Removed: u.single(u.Diff.Removed)}}
	}
	return s, nil
}

func (r roDeployment) deployment() (Deployment, error) {
	if !isChecksum(r.Checksum) {
		return Deployment{}, fmt.Errorf("%.80q is no checksum", r.Checksum)
	}
	if r.BaseChecksum != "" && !isChecksum(r.BaseChecksum) {
		return Deployment{}, fmt.Errorf("%.80q is no base checksum", r.BaseChecksum)
	}
	if r.OSName == "" || r.Serial < 0 {
		return Deployment{}, fmt.Errorf("stateroot %.80q, serial %d", r.OSName, r.Serial)
	}
	d := Deployment{
		OSName: r.OSName, Serial: r.Serial, Checksum: r.Checksum, BaseChecksum: first(r.BaseChecksum, r.Checksum),
		Version: first(r.BaseVersion, r.Version), Timestamp: unix(r.Timestamp),
		Booted: r.Booted, Staged: r.Staged, DownloadOnly: r.Locked, Pinned: r.Pinned, Unlocked: locked(r.Unlocked),
		Layered: some(r.Packages), Requested: some(r.Requested), LocalPackages: some(append(r.LocalPackages, r.FilePackages...)),
		RegenerateInitramfs: r.Regenerate, InitramfsArgs: some(r.InitramfsArgs), LiveCommit: first(r.LiveReplaced, r.LiveInProgress),
	}
	if r.BaseTimestamp != 0 {
		d.Timestamp = unix(r.BaseTimestamp)
	}
	if r.Origin != "" {
		d.follow(r.Origin)
	}
	if r.Image != "" {
		d.follow(r.Image)
		if d.Image == nil {
			return Deployment{}, fmt.Errorf("%.120q is no container image reference", r.Image)
		}
	}
	if d.Image != nil && r.ImageDigest != "" {
		d.Image.Digest = r.ImageDigest
	}
	for _, p := range r.Removals {
		d.Removed = append(d.Removed, p.NEVRA)
	}
	pairs := r.Local
	for _, more := range r.Remote {
		pairs = append(pairs, more...)
	}
	for _, pair := range pairs {
		if len(pair) != 2 {
			return Deployment{}, fmt.Errorf("a replacement of %d packages", len(pair))
		}
		// The new one comes first.
		d.Replaced = append(d.Replaced, Replacement{Name: first(pair[0].Name, pair[0].NEVRA),
			From: first(pair[1].EVR, pair[1].NEVRA), To: first(pair[0].EVR, pair[0].NEVRA)})
	}
	sortReplacements(d.Replaced)
	if r.GPG {
		valid := false
		for _, sig := range r.Signatures {
			ok, text := gpgSignature(sig)
			valid = valid || ok
			d.Signatures = append(d.Signatures, text)
		}
		d.Signed = &valid
	}
	return d, nil
}

// gpgSignature reads libostree's signature attributes: whether it is valid comes
// first, the fingerprint sixth (ostree-gpg-verify-result.h).
func gpgSignature(sig []json.RawMessage) (valid bool, text string) {
	if len(sig) < 6 {
		return false, fmt.Sprintf("a signature of %d attributes", len(sig))
	}
	var fingerprint string
	if json.Unmarshal(sig[0], &valid) != nil || json.Unmarshal(sig[5], &fingerprint) != nil {
		return false, "a signature that cannot be read"
	}
	if !valid {
		return false, "no valid signature by " + fingerprint
	}
	return true, "Valid signature by " + fingerprint
}

// single and changed read the lists of an update: (type, name, evr, arch), and
// (type, name, (evr, arch), (evr, arch)). What does not fit is left out: the
// lists only illustrate an update.
func (u *roUpdate) single(in [][]json.RawMessage) (out []string) {
	for _, p := range in {
		var name, evr, arch string
		if len(p) >= 4 && json.Unmarshal(p[1], &name) == nil && json.Unmarshal(p[2], &evr) == nil && json.Unmarshal(p[3], &arch) == nil {
			out = append(out, name+"-"+evr+"."+arch)
		}
	}
	return out
}

func (u *roUpdate) changed(in [][]json.RawMessage) (out []Replacement) {
	for _, p := range in {
		var name string
		var from, to []string
		if len(p) >= 4 && json.Unmarshal(p[1], &name) == nil && json.Unmarshal(p[2], &from) == nil &&
			json.Unmarshal(p[3], &to) == nil && len(from) > 0 && len(to) > 0 {
			out = append(out, Replacement{Name: name, From: from[0], To: to[0]})
		}
	}
	return out
}

// some is nil for an empty list: lists that are there in one version and not in
// another must compare equal.
func some(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

// locked is the state of /usr as the model has it.
func locked(state string) string {
	if state == "none" {
		return ""
	}
	return state
}

func unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

func first(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}
