package site

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	coreos "github.com/coreos/stream-metadata-go/release"
	"github.com/coreos/stream-metadata-go/stream"

	"assay/artifact"
	"assay/release"
	"assay/reports"
)

// Generator is what the metadata says made it.
const Generator = "assay"

// indexNote stands in the release index, as in Fedora CoreOS's.
const indexNote = "For tools that follow the history of releases. All others should read stream.json."

// Updates is the CoreOS update metadata of a stream: what machines may update
// to. There is no Go module with these types; the form is that of
// fedora-coreos-streams, updates/STREAM.json.
type Updates struct {
	Stream   string          `json:"stream"`
	Metadata stream.Metadata `json:"metadata"`
	Releases []UpdateRelease `json:"releases"`
}

// UpdateRelease is one release in Updates.
type UpdateRelease struct {
	Version  string         `json:"version"`
	Metadata UpdateMetadata `json:"metadata"`
}

// UpdateMetadata says what machines do about a release.
type UpdateMetadata struct {
	Barrier *UpdateReason  `json:"barrier,omitempty"`
	Deadend *UpdateReason  `json:"deadend,omitempty"`
	Rollout *UpdateRollout `json:"rollout,omitempty"`
	// Revoked is ours: readers of the CoreOS form pass over it. A revoked release
	// is no dead end once machines can leave it for a newer one.
	Revoked *UpdateReason `json:"revoked,omitempty"`
}

// UpdateReason is a URL, or a sentence where there is none.
type UpdateReason struct {
	Reason string `json:"reason"`
}

// UpdateRollout is how a release spreads: from StartPercentage (0 to 1) at
// StartEpoch (seconds since 1970) to all machines DurationMinutes later.
type UpdateRollout struct {
	DurationMinutes int     `json:"duration_minutes,omitempty"`
	StartEpoch      int64   `json:"start_epoch,omitempty"`
	StartPercentage float64 `json:"start_percentage"`
}

// platform is where CoreOS metadata files an image of a kind, and the format
// it goes by there.
func platform(kind string) (name, format string) {
	if first, rest, ok := strings.Cut(kind, "."); ok && platforms[first] != nil {
		return first, rest
	}
	base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(kind, ".xz"), ".gz"), ".zst")
	switch {
	case base == "qcow2":
		return "qemu", kind
	case base == "raw", strings.Contains(base, "iso"):
		return "metal", kind
	case base == "vmdk", base == "ova":
		return "vmware", kind
	case strings.Contains(base, "vhd"):
		return "azure", kind
	case base == "tar":
		return "gcp", kind
	}
	return kind, kind
}

// platforms are those that release metadata has a place for.
var platforms = map[string]func(*coreos.Media, *coreos.PlatformBase){
	"applehv":      func(m *coreos.Media, p *coreos.PlatformBase) { m.AppleHV = p },
	"azure":        func(m *coreos.Media, p *coreos.PlatformBase) { m.Azure = p },
	"digitalocean": func(m *coreos.Media, p *coreos.PlatformBase) { m.Digitalocean = p },
	"hyperv":       func(m *coreos.Media, p *coreos.PlatformBase) { m.HyperV = p },
	"metal":        func(m *coreos.Media, p *coreos.PlatformBase) { m.Metal = p },
	"openstack":    func(m *coreos.Media, p *coreos.PlatformBase) { m.Openstack = p },
	"proxmoxve":    func(m *coreos.Media, p *coreos.PlatformBase) { m.ProxmoxVE = p },
	"qemu":         func(m *coreos.Media, p *coreos.PlatformBase) { m.Qemu = p },
	"virtualbox":   func(m *coreos.Media, p *coreos.PlatformBase) { m.VirtualBox = p },
	"vmware":       func(m *coreos.Media, p *coreos.PlatformBase) { m.Vmware = p },
	"aws": func(m *coreos.Media, p *coreos.PlatformBase) {
		m.Aws = &coreos.PlatformAws{PlatformBase: *p, Images: map[string]coreos.CloudImage{}}
	},
	"gcp": func(m *coreos.Media, p *coreos.PlatformBase) { m.Gcp = &coreos.PlatformGcp{PlatformBase: *p} },
}

// modified is when the last thing was said that changes the metadata.
func (v *view) modified() string {
	var t time.Time
	for _, r := range v.releases {
		t = later(t, r.At)
		if r.Revoked != nil {
			t = later(t, r.Revoked.At)
		}
	}
	return t.UTC().Format(time.RFC3339)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (v *view) renderMetadata(out Files, prefix string) error {
	docs := map[string]any{"stream.json": v.streamMetadata(), "releases.json": v.index(), "updates.json": v.updates()}
	for i, r := range v.releases {
		if i < maxBuildPages && r != v.onItsWay() {
			docs["releases/"+string(r.Build)+".json"] = releaseOf{v.releaseMetadata(r), revokedBecause(r)}
		}
	}
	for name, doc := range docs {
		b, err := json.MarshalIndent(doc, "", "  ")
		if err != nil {
			return err
		}
		out[prefix+name] = append(b, '\n')
	}
	return nil
}

// images are the files of a release with their signatures.
type image struct {
	release.Artifact
	Detached *release.SignedFile
	Checksum *release.SignedFile
}

func (v *view) images(r *release.Release) (out []image) {
	b := v.l.Build(r.Build)
	if b == nil {
		return nil
	}
	files := v.signed[r.Seq]
	find := func(is func(string) bool) *release.SignedFile {
		// A signature that readers can verify with a key of the site comes first.
		best := -1
		for i := range files {
			if is(files[i].Name) && (best < 0 || v.keyOf(&files[best]) == nil && v.keyOf(&files[i]) != nil) {
				best = i
			}
		}
		if best < 0 {
			return nil
		}
		return &files[best]
	}
	for _, t := range r.Artifacts {
		a := b.Artifact(t.Artifact)
		if a == nil || a.Digest != t.Digest {
			continue
		}
		out = append(out, image{a.Artifact,
			find(func(n string) bool { return n == a.Name+".asc" || n == a.Name+".sig" }),
			find(func(n string) bool { return isChecksumOf(n, a.ID.Arch(), r) })})
	}
	return out
}

// isChecksumOf reports whether a file is the CHECKSUM file of an architecture;
// see sign.Config.ChecksumFile.
func isChecksumOf(name string, arch artifact.Arch, r *release.Release) bool {
	if !strings.HasSuffix(name, "CHECKSUM") {
		return false
	}
	if strings.Contains(name, string(arch)) {
		return true
	}
	return !slices.ContainsFunc(r.Artifacts, func(t release.Tested) bool { return strings.Contains(name, string(t.Artifact.Arch())) })
}

func (v *view) address(r *release.Release, name string) string {
	return v.folder(r.Build) + "/" + url.PathEscape(name)
}

func (v *view) signatureOf(r *release.Release, i image) string {
	if i.Detached == nil {
		return ""
	}
	return v.address(r, i.Detached.Name)
}

func bare(d artifact.Digest) string {
	if d == "" {
		return ""
	}
	return d.Hex()
}

func (v *view) streamMetadata() stream.Stream {
	s := stream.Stream{Stream: string(v.p.Stream), Architectures: map[string]stream.Arch{},
		Metadata: stream.Metadata{LastModified: v.modified(), Generator: Generator}}
	r := v.current
	if r == nil {
		return s
	}
	for _, i := range v.images(r) {
		arch, ok := s.Architectures[string(i.ID.Arch())]
		if !ok {
			arch.Artifacts = map[string]stream.PlatformArtifacts{}
		}
		name, format := platform(i.ID.Kind())
		p, ok := arch.Artifacts[name]
		if !ok {
			p = stream.PlatformArtifacts{Release: string(r.Build), Formats: map[string]stream.ImageFormat{}}
		}
		p.Formats[format] = stream.ImageFormat{Disk: &stream.Artifact{Location: v.address(r, i.Name), Signature: v.signatureOf(r, i),
			Sha256: i.Digest.Hex(), UncompressedSha256: bare(i.Uncompressed)}}
		arch.Artifacts[name] = p
		s.Architectures[string(i.ID.Arch())] = arch
	}
	for _, c := range v.cloud(r.Build) {
		arch, ok := s.Architectures[string(c.Arch)]
		if !ok {
			continue
		}
		switch c.Provider {
		case "aws", "aliyun":
			to := &arch.Images.Aws
			if c.Provider == "aliyun" {
				to = &arch.Images.Aliyun
			}
			if *to == nil {
				*to = &stream.ReplicatedImage{Regions: map[string]stream.SingleImage{}}
			}
			(*to).Regions[c.Region] = stream.SingleImage{Release: string(r.Build), Image: c.Image}
		case "gcp":
			arch.Images.Gcp = &stream.GcpImage{Release: string(r.Build), Project: c.Project, Name: c.Image}
		}
		s.Architectures[string(c.Arch)] = arch
	}
	return s
}

// cloud lists the cloud images of a build, x86_64 first, as text.
func (v *view) cloud(b release.BuildID) (out []CloudImage) {
	for _, c := range v.s.CloudImages {
		if c.Build == b {
			out = append(out, cleanCloud(c))
		}
	}
	slices.SortFunc(out, func(a, b CloudImage) int {
		return cmp.Or(strings.Compare(a.Provider, b.Provider), compareArch(a.Arch, b.Arch),
			strings.Compare(a.Region, b.Region), strings.Compare(a.Image, b.Image))
	})
	return out[:min(len(out), maxCloud)]
}

// releaseOf is CoreOS release metadata, and whether the release was revoked.
type releaseOf struct {
	coreos.Release
	Revoked *UpdateReason `json:"revoked,omitempty"`
}

// indexOf is the CoreOS release index with the same.
type indexOf struct {
	Note     string          `json:"note"`
	Releases []indexRelease  `json:"releases"`
	Metadata coreos.Metadata `json:"metadata"`
	Stream   string          `json:"stream"`
}

type indexRelease struct {
	coreos.IndexRelease
	Revoked *UpdateReason `json:"revoked,omitempty"`
}

// revokedBecause is why a release was taken back, nil if it was not.
func revokedBecause(r *release.Release) *UpdateReason {
	if r.Revoked == nil {
		return nil
	}
	return &UpdateReason{reports.Line(cmp.Or(link(r.Revoked.Tracker), r.Revoked.Reason), maxText)}
}

func (v *view) releaseMetadata(r *release.Release) coreos.Release {
	out := coreos.Release{Release: string(r.Build), Stream: string(v.p.Stream), Architectures: map[string]coreos.Arch{},
		Metadata: coreos.Metadata{LastModified: r.At.UTC().Format(time.RFC3339)}}
	bases := map[string]map[string]*coreos.PlatformBase{}
	for _, i := range v.images(r) {
		arch := string(i.ID.Arch())
		name, format := platform(i.ID.Kind())
		if platforms[name] == nil || !v.has(r.Build) {
			continue // the form has no place for it (stream.json has), or it is gone
		}
		if bases[arch] == nil {
			bases[arch] = map[string]*coreos.PlatformBase{}
		}
		if bases[arch][name] == nil {
			bases[arch][name] = &coreos.PlatformBase{Artifacts: map[string]coreos.ImageFormat{}}
		}
		bases[arch][name].Artifacts[format] = coreos.ImageFormat{Disk: &coreos.Artifact{Location: v.address(r, i.Name),
			Signature: v.signatureOf(r, i), Sha256: i.Digest.Hex(), UncompressedSha256: bare(i.Uncompressed)}}
	}
	commits := v.commits(r)
	for _, t := range r.Artifacts {
		name := string(t.Artifact.Arch())
		if _, ok := out.Architectures[name]; ok {
			continue
		}
		a := coreos.Arch{}
		for _, c := range commits {
			if string(c.Arch) == name {
				a.Commit = c.Checksum
			}
		}
		for p, base := range bases[name] {
			platforms[p](&a.Media, base)
		}
		for _, c := range v.cloud(r.Build) {
			if string(c.Arch) == name && c.Provider == "aws" {
				if a.Media.Aws == nil {
					a.Media.Aws = &coreos.PlatformAws{Images: map[string]coreos.CloudImage{}}
				}
				a.Media.Aws.Images[c.Region] = coreos.CloudImage{Image: c.Image}
			}
		}
		out.Architectures[name] = a
	}
	return out
}

// commits are those that readers get.
func (v *view) commits(r *release.Release) []release.Commit {
	out := slices.Clone(v.s.Commits[r.Build])
	if out == nil {
		out = slices.Clone(r.Commits)
	}
	slices.SortFunc(out, func(a, b release.Commit) int {
		return cmp.Or(compareArch(a.Arch, b.Arch), strings.Compare(a.Ref, b.Ref))
	})
	return out[:min(len(out), maxList)]
}

// index lists all releases whose files were published, oldest first.
func (v *view) index() indexOf {
	out := indexOf{Note: indexNote, Stream: string(v.p.Stream), Metadata: coreos.Metadata{LastModified: v.modified()}, Releases: []indexRelease{}}
	for i, r := range v.releases {
		if i >= maxBuildPages || r == v.onItsWay() || slices.ContainsFunc(v.releases[:i], func(n *release.Release) bool { return n.Build == r.Build }) {
			continue
		}
		e := coreos.IndexRelease{Version: string(r.Build), MetadataURL: v.home() + "/releases/" + string(r.Build) + ".json"}
		for _, c := range v.commits(r) {
			e.Commits = append(e.Commits, coreos.IndexReleaseCommit{Architecture: string(c.Arch), Checksum: c.Checksum})
		}
		out.Releases = append(out.Releases, indexRelease{e, revokedBecause(r)})
	}
	slices.Reverse(out.Releases)
	return out
}

// updates tells machines where to go: to what is out, through barriers, and
// nowhere from a revoked release while nothing newer is out. Once there is, the
// dead end is taken away, so that machines leave the bad release for it; that it
// was revoked stays.
func (v *view) updates() Updates {
	u := Updates{Stream: string(v.p.Stream), Metadata: stream.Metadata{LastModified: v.modified()}, Releases: []UpdateRelease{}}
	at := map[release.BuildID]*UpdateMetadata{}
	of := func(b release.BuildID) *UpdateMetadata {
		if at[b] == nil {
			at[b] = &UpdateMetadata{}
		}
		return at[b]
	}
	revoked, previous := 0, false
	for _, r := range v.releases {
		if r.Revoked != nil && revoked < maxRevoked && (v.current == nil || r.Build != v.current.Build) {
			of(r.Build).Revoked = revokedBecause(r)
			if v.current == nil || r.Build.Compare(v.current.Build) > 0 {
				of(r.Build).Deadend = revokedBecause(r)
			}
			revoked++
			continue
		}
		switch {
		case v.current == nil || r.Revoked != nil:
		case r == v.current:
			of(r.Build).Rollout = v.rollout(r)
		case !previous && r.Build.Compare(v.current.Build) < 0 && v.has(r.Build):
			of(r.Build).Rollout = &UpdateRollout{StartPercentage: 1}
			previous = true
		}
	}
	for _, b := range v.s.Barriers {
		if m := at[b.Build]; (m == nil || m.Deadend == nil) && v.wasReleased(b.Build) {
			of(b.Build).Barrier = &UpdateReason{reports.Line(b.Reason, maxText)}
		}
	}
	for b, m := range at {
		u.Releases = append(u.Releases, UpdateRelease{string(b), *m})
	}
	slices.SortFunc(u.Releases, func(a, b UpdateRelease) int {
		return release.BuildID(a.Version).Compare(release.BuildID(b.Version))
	})
	return u
}

func (v *view) wasReleased(b release.BuildID) bool {
	return slices.ContainsFunc(v.releases, func(r *release.Release) bool { return r.Build == b && r.Revoked == nil })
}

// rollout spreads a new release over time. One that is out again after a
// revocation was everywhere before.
func (v *view) rollout(r *release.Release) *UpdateRollout {
	if v.s.Rollout <= 0 || v.l.LastRevoked() != nil {
		return &UpdateRollout{StartPercentage: 1}
	}
	return &UpdateRollout{StartEpoch: r.At.Unix(), DurationMinutes: max(int(v.s.Rollout/time.Minute), 1)}
}
