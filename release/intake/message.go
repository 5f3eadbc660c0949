package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/release/sign/source"
	"assay/reports"
)

// errRefused marks what no waiting mends.
var errRefused = errors.New("refused")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errRefused, fmt.Errorf(format, args...))
}

// message is one as it came.
type message struct {
	// topic is below the prefix.
	topic string
	// sent is when it was sent, by its own account; zero when it does not say.
	sent time.Time
	body []byte
}

// Bounds of what others write, in bytes.
const (
	maxBody   = 1 << 20
	maxImages = 32 << 20 // of the metadata of a compose
)

// The topics that are listened to, below the prefix.
const (
	topicStatus = "pungi.compose.status.change"
	topicOSTree = "pungi.compose.ostree"
	topicBuild  = "assay.build.seen"
	topicFailed = "assay.build.failed"
)

var topics = []string{topicStatus, topicOSTree, topicBuild, topicFailed}

// news is what a message tells of one stream.
type news struct {
	stream release.Stream
	// day is that of the build's number.
	day    time.Time
	seen   *release.BuildSeen // without a number
	failed *release.BuildFailed
}

// read is what a message tells; nothing when it is about nothing of ours. What
// cannot be read for one stream is an error beside what it tells of others.
func (in *Intake) read(ctx context.Context, m message) ([]news, error) {
	if len(m.body) > maxBody {
		return nil, refuse("it has %d bytes, more than %d", len(m.body), maxBody)
	}
	switch m.topic {
	case topicStatus:
		return in.status(ctx, m)
	case topicOSTree:
		return in.ostree(m)
	case topicBuild, topicFailed:
		return own(m, func(s release.Stream) bool {
			return slices.ContainsFunc(in.config.Streams, func(c StreamConfig) bool { return c.Stream == s })
		}, in.config.place)
	}
	return nil, nil
}

func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return refuse("it cannot be read: %w", err)
	}
	return nil
}

// composeID is productmd's: SHORT-VERSION-DATE[.TYPE].RESPIN.
var composeID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*-(\d{8})(?:\.(n|t|d|ci))?\.\d+$`)

// composeOf reads the day and the type from a compose's id. A message may name
// the type, too.
func composeOf(id, said string) (day time.Time, kind string, err error) {
	m := composeID.FindStringSubmatch(id)
	if m == nil || len(id) > 200 {
		return day, "", refuse("compose_id %.100q: want SHORT-VERSION-YYYYMMDD[.n].RESPIN", id)
	}
	if day, err = time.Parse("20060102", m[1]); err != nil {
		return day, "", refuse("compose_id %.100q: %s is no date", id, m[1])
	}
	kind = map[string]string{"n": "nightly", "t": "test", "d": "development", "ci": "ci", "": "production"}[m[2]]
	if said != "" {
		kind = said
	}
	return day, kind, nil
}

// respinOf splits a compose's id into what all respins of its day share, and the
// number that counts them.
func respinOf(id string) (base string, respin uint64, ok bool) {
	if len(id) > 200 || !composeID.MatchString(id) {
		return "", 0, false
	}
	at := strings.LastIndexByte(id, '.')
	respin, err := strconv.ParseUint(id[at+1:], 10, 64)
	return id[:at], respin, err == nil
}

// when is a moment of a compose: when the message was sent, or else its day.
func (m message) when(day time.Time) time.Time {
	if m.sent.IsZero() {
		return day.UTC()
	}
	return m.sent.UTC()
}

// The statuses of Pungi. Those that it may still leave say nothing.
var (
	ended  = []string{"FINISHED", "FINISHED_INCOMPLETE"}
	failed = []string{"DOOMED", "TERMINATED"}
)

// status is a compose that changed: what it made is in its metadata.
func (in *Intake) status(ctx context.Context, m message) (out []news, err error) {
	var body struct {
		Compose  string `json:"compose_id"`
		Status   string `json:"status"`
		Type     string `json:"compose_type"`
		Location string `json:"location"`
	}
	if err := decode(m.body, &body); err != nil {
		return nil, err
	}
	day, kind, err := composeOf(body.Compose, body.Type)
	if err != nil {
		return nil, err
	}
	streams := in.config.of(body.Compose, kind)
	switch {
	case len(streams) == 0:
		return nil, nil
	case slices.Contains(failed, body.Status):
		for _, s := range streams {
			out = append(out, in.fails(s.Stream, day, m, body.Compose, body.Status, "", body.Location))
		}
		return out, nil
	case !slices.Contains(ended, body.Status):
		return nil, nil
	}
	place, err := in.config.place(strings.TrimSuffix(body.Location, "/") + "/")
	if err != nil {
		return nil, err
	}
	images, err := in.images(ctx, place, body.Compose)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, s := range streams {
		artifacts, err := s.artifacts(images, place)
		switch {
		case err != nil:
			errs = append(errs, refuse("compose %s, %s: %w", body.Compose, s.Stream, err))
		case len(s.Images) == 0: // its builds are announced otherwise
		case len(artifacts) == 0:
			out = append(out, in.fails(s.Stream, day, m, body.Compose, body.Status, "none of its images is one of the stream's", body.Location))
		default:
			out = append(out, news{stream: s.Stream, day: day, seen: &release.BuildSeen{Compose: body.Compose, Created: m.when(day), Artifacts: artifacts}})
		}
	}
	return out, errors.Join(errs...)
}

func (in *Intake) fails(s release.Stream, day time.Time, m message, compose, status, reason, log string) news {
	return news{stream: s, day: day, failed: &release.BuildFailed{Compose: compose, Status: status, Ended: m.when(day), Reason: reason, Log: reports.Line(log, 1000)}}
}

// image is one of productmd's metadata/images.json, and the variant it stands
// under.
type image struct {
	variant    string
	Path       string            `json:"path"`
	Size       int64             `json:"size"`
	Type       string            `json:"type"`
	Format     string            `json:"format"`
	Arch       string            `json:"arch"`
	Subvariant string            `json:"subvariant"`
	Checksums  map[string]string `json:"checksums"`
}

// images fetches a compose's list of images.
func (in *Intake) images(ctx context.Context, place, compose string) (out []image, err error) {
	ctx, cancel := context.WithTimeout(ctx, in.fetchTime)
	defer cancel()
	raw, err := source.Read(ctx, place+"metadata/images.json", maxImages)
	if err != nil {
		return nil, fmt.Errorf("cannot see what compose %s made: %w", compose, err)
	}
	var doc struct {
		Header struct {
			Type    string `json:"type"`
			Version string `json:"version"`
		} `json:"header"`
		Payload struct {
			Compose struct {
				ID string `json:"id"`
			} `json:"compose"`
			Images map[string]map[string][]image `json:"images"`
		} `json:"payload"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, refuse("images.json of compose %s cannot be read: %w", compose, err)
	}
	switch {
	case doc.Header.Type != "productmd.images" && doc.Header.Type != "" || !strings.HasPrefix(doc.Header.Version, "1."):
		return nil, refuse("images.json of compose %s is %.40q version %.20q, not productmd.images version 1", compose, doc.Header.Type, doc.Header.Version)
	case doc.Payload.Compose.ID != compose:
		return nil, refuse("the images at %s are those of compose %.100q, not of %s", place, doc.Payload.Compose.ID, compose)
	}
	for variant, arches := range doc.Payload.Images {
		for _, list := range arches {
			for _, i := range list {
				i.variant = variant
				out = append(out, i)
			}
		}
	}
	slices.SortFunc(out, func(a, b image) int { return strings.Compare(a.variant+"\x00"+a.Path, b.variant+"\x00"+b.Path) })
	return out, nil
}

// artifacts are the images of a stream.
func (s StreamConfig) artifacts(images []image, place string) (out []release.Artifact, err error) {
	is := func(want, have string) bool { return want == "" || want == have }
	for _, i := range images {
		for _, w := range s.Images {
			if !is(w.Variant, i.variant) || !is(w.Subvariant, i.Subvariant) || !is(w.Type, i.Type) || !is(w.Format, i.Format) {
				continue
			}
			if path.Clean("/"+i.Path) != "/"+i.Path {
				return nil, fmt.Errorf("%.100q is no path within it", i.Path)
			}
			digest, err := artifact.ParseDigest("sha256:" + i.Checksums["sha256"])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", reports.Line(i.Path, 200), err)
			}
			a := release.Artifact{ID: release.NewArtifactID(w.Kind, artifact.Arch(i.Arch)), Name: path.Base(i.Path), Location: place + i.Path, Digest: digest, Size: i.Size}
			if err := a.Validate(); err != nil {
				return nil, fmt.Errorf("%s: %w", reports.Line(i.Path, 200), err)
			}
			if at := slices.IndexFunc(out, func(o release.Artifact) bool { return o.ID == a.ID }); at >= 0 {
				if out[at] == a {
					continue // under two variants
				}
				return nil, fmt.Errorf("%s and %s both are %s: say more about the image in the configuration", out[at].Name, a.Name, a.ID)
			}
			out = append(out, a)
		}
	}
	return out, nil
}

// ostree is a commit that a compose made.
func (in *Intake) ostree(m message) (out []news, err error) {
	var body struct {
		Compose   string  `json:"compose_id"`
		Type      string  `json:"compose_type"`
		Arch      string  `json:"arch"`
		Ref       string  `json:"ref"`
		Commit    *string `json:"commitid"`
		Repo      string  `json:"repo_path"`
		LocalRepo string  `json:"local_repo_path"`
	}
	if err := decode(m.body, &body); err != nil {
		return nil, err
	}
	day, kind, err := composeOf(body.Compose, body.Type)
	if err != nil {
		return nil, err
	}
	for _, s := range in.config.of(body.Compose, kind) {
		p := in.policy(s.Stream)
		if !slices.ContainsFunc(p.Refs, func(g release.Glob) bool { return g.Match(body.Ref) }) {
			continue // another's
		}
		if body.Commit == nil || *body.Commit == "" {
			continue // the tree is the one before
		}
		repo := body.Repo
		if repo == "" {
			repo = body.LocalRepo
		}
		if repo != "" {
			if repo, err = in.config.place(strings.TrimSuffix(repo, "/") + "/"); err != nil {
				return nil, err
			}
			repo = strings.TrimSuffix(repo, "/")
		}
		c := release.Commit{Arch: artifact.Arch(body.Arch), Ref: body.Ref, Checksum: *body.Commit, Repo: repo}
		if err := c.Validate(); err != nil {
			return nil, refuse("compose %s: %w", body.Compose, err)
		}
		out = append(out, news{stream: s.Stream, day: day, seen: &release.BuildSeen{Compose: body.Compose, Created: m.when(day), Commits: []release.Commit{c}}})
	}
	return out, nil
}

// own is an announcement in our own form: that of the event, with the stream and
// without a number. What is of no stream of ours tells nothing; place says where
// we find files.
func own(m message, ours func(release.Stream) bool, place func(string) (string, error)) ([]news, error) {
	var body struct {
		Stream release.Stream `json:"stream"`
		release.BuildSeen
		Status string    `json:"status"`
		Ended  time.Time `json:"ended"`
		Reason string    `json:"reason"`
		Log    string    `json:"log"`
	}
	if err := decode(m.body, &body); err != nil {
		return nil, err
	}
	if !ours(body.Stream) {
		return nil, nil
	}
	if body.Compose == "" {
		return nil, refuse("compose is missing: it tells one build from another")
	}
	if m.topic == topicFailed {
		f := &release.BuildFailed{Compose: body.Compose, Status: body.Status, Ended: body.Ended.UTC(), Reason: body.Reason, Log: body.Log}
		return []news{{stream: body.Stream, day: body.Ended, failed: f}}, nil
	}
	if body.Build != "" {
		return nil, refuse("build %.40q: numbers are given here, by compose", body.Build)
	}
	b := body.BuildSeen
	b.Created = b.Created.UTC()
	for i := range b.Artifacts {
		var err error
		if b.Artifacts[i].Location, err = place(b.Artifacts[i].Location); err != nil {
			return nil, err
		}
	}
	for i := range b.Commits {
		if b.Commits[i].Repo == "" {
			continue
		}
		repo, err := place(strings.TrimSuffix(b.Commits[i].Repo, "/") + "/")
		if err != nil {
			return nil, err
		}
		b.Commits[i].Repo = strings.TrimSuffix(repo, "/")
	}
	return []news{{stream: body.Stream, day: b.Created, seen: &b}}, nil
}
