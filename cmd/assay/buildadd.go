package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"assay/artifact"
	"assay/release"
	"assay/release/packages"
)

type buildAdd struct {
	stageFlags
	number, compose, created string
	artifacts, commits       []string
	manifests                []string
	locations                string
	from                     string
	rebuild                  int
	failed                   bool
	status, reason, log      string
}

func newBuildAddCommand() *cobra.Command {
	o := &buildAdd{}
	c := &cobra.Command{
		Use:   "add",
		Short: "Announce a build, a part of one, or a compose that failed",
		Long: `Announces a build. The digests are computed from the files here; the files
themselves stay where they are, and have to stay there until the build is
released or forgotten (--locations says where else they can be had).

Without --build it gets the next number of its day, or the number that its
compose has already: so each architecture can be announced by itself. A part
that contradicts an earlier one keeps the build from being released.

A rebuild that the stage has asked for counts when the rebuilder announces it:
--machine with the name that the policy has under follow.rebuild.

With --failed: the compose ended without images, or (with --from and --rebuild)
the signing build system made nothing of a rebuild request.`,
		Example: `  assay build add --artifact qcow2/x86_64=os.qcow2 --artifact iso/x86_64=os.iso \
      --compose Fedora-43-20261121.n.0 --packages x86_64=packages.txt \
      --commit x86_64:fedora/43/x86_64/atomic-host=8d1e...b2@/srv/repo --yes
  assay build add --failed --compose Fedora-43-20261122.n.0 --reason "lorax: no space left" --yes
  assay build add --artifact qcow2/x86_64=os.qcow2 --stream centos-atomic --from fedora-43/20261121_01 --rebuild 1 --machine cbs --yes`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c) },
	}
	o.addTo(c)
	o.streamTo(c)
	o.changeTo(c)
	o.machineTo(c, builder)
	f := c.Flags()
	f.StringVar(&o.number, "build", "", "its number YYYYMMDD_NN (default the next of the day, or the compose's)")
	f.StringVar(&o.compose, "compose", "", "the upstream's name of it")
	f.StringVar(&o.created, "created", "", "when it was made (default now)")
	f.StringArrayVar(&o.artifacts, "artifact", nil, "`KIND/ARCH=FILE`, once for each file")
	f.StringVar(&o.locations, "locations", "", "`URL` of the folder where the files can be had (default their paths here)")
	f.StringArrayVar(&o.commits, "commit", nil, "ostree commit: `ARCH:REF=CHECKSUM[@REPO]`")
	f.StringArrayVar(&o.manifests, "packages", nil, "package manifest, one package a line: `ARCH=FILE`")
	f.StringVar(&o.from, "from", "", "the upstream build it was rebuilt from: `STREAM/BUILD`")
	f.IntVar(&o.rebuild, "rebuild", 0, "the number of the rebuild request it answers")
	f.BoolVar(&o.failed, "failed", false, "there is no build: the compose failed")
	f.StringVar(&o.status, "status", "FAILED", "with --failed: the upstream's word for it, as DOOMED")
	f.StringVar(&o.reason, "reason", "", "with --failed: why")
	f.StringVar(&o.log, "log", "", "with --failed: where its log is")
	return c
}

func (o *buildAdd) run(c *cobra.Command) error {
	return o.withPolicy(c, func(s *stage, p *release.Policy) error {
		decide, err := o.facts(s, p)
		if err != nil {
			return err
		}
		return s.change(c, p, decide)
	})
}

type decider = func(*release.State, time.Time) ([]release.Fact, error)

func (o *buildAdd) facts(s *stage, p *release.Policy) (decider, error) {
	var from *release.BuildRef
	if o.from != "" {
		stream, id, ok := strings.Cut(o.from, "/")
		from = &release.BuildRef{Stream: release.Stream(stream), Build: release.BuildID(id)}
		if err := errors.Join(from.Stream.Validate(), from.Build.Validate()); err != nil || !ok {
			return nil, usagef("--from %q: want STREAM/BUILD, as fedora-43/20261121_01", o.from)
		}
	}
	created := s.now()
	if o.created != "" {
		var err error
		if created, err = parseMoment(o.created, time.Time{}); err != nil {
			return nil, usagef("--created: %w", err)
		}
	}
	if o.failed {
		return o.failure(from, created)
	}
	seen := release.BuildSeen{Compose: o.compose, Created: created.UTC(), From: from, Rebuild: o.rebuild}
	if len(o.artifacts)+len(o.commits)+len(o.manifests) == 0 {
		return nil, usagef("a build has something in it: give --artifact KIND/ARCH=FILE, or --failed")
	}
	for _, a := range o.artifacts {
		art, err := readArtifact(a, o.locations)
		if err != nil {
			return nil, err
		}
		seen.Artifacts = append(seen.Artifacts, art)
	}
	for _, m := range o.commits {
		commit, err := parseCommit(m)
		if err != nil {
			return nil, err
		}
		seen.Commits = append(seen.Commits, commit)
	}
	var lists []*release.PackagesListed
	for _, m := range o.manifests {
		list, err := readManifest(m)
		if err != nil {
			return nil, err
		}
		lists = append(lists, list)
	}
	return func(st *release.State, _ time.Time) ([]release.Fact, error) {
		l := st.Line(p.Stream)
		id, err := o.id(p, l, created)
		if err != nil {
			return nil, err
		}
		var out []release.Fact
		part := seen
		part.Build = id
		if b := l.Build(id); !b.Holds(&part) {
			// One build was made at one time, whenever its parts are announced.
			if b != nil && !b.Created.IsZero() && o.created == "" {
				part.Created = b.Created
			}
			out = append(out, &part)
		}
		for _, list := range lists {
			if b := l.Build(id); b != nil && b.PackagesAt(list.Arch) > 0 {
				continue
			}
			mine := *list
			mine.Build = id
			out = append(out, &mine)
		}
		return out, nil
	}, nil
}

func (o *buildAdd) id(p *release.Policy, l *release.Line, created time.Time) (release.BuildID, error) {
	if o.number == "" {
		return l.NextBuildID(o.compose, created.In(p.Zone())), nil
	}
	id, err := release.ParseBuildID(o.number)
	if err != nil {
		return "", usagef("--build: %w", err)
	}
	return id, nil
}

func (o *buildAdd) failure(from *release.BuildRef, ended time.Time) (decider, error) {
	if len(o.artifacts)+len(o.commits)+len(o.manifests) > 0 || o.number != "" {
		return nil, usagef("--failed means that there is no build: it takes no artifacts, commits, packages and number")
	}
	var fact release.Fact = &release.BuildFailed{Compose: o.compose, Status: o.status, Ended: ended.UTC(), Reason: o.reason, Log: o.log}
	switch {
	case from != nil:
		if o.rebuild < 1 || o.reason == "" {
			return nil, usagef("a rebuild that failed has a number and a reason: --rebuild N --reason \"...\"")
		}
		fact = &release.RebuildFailed{From: *from, Number: o.rebuild, Reason: o.reason, Log: o.log}
	case o.compose == "":
		return nil, usagef("say which compose failed: --compose ID")
	}
	return func(*release.State, time.Time) ([]release.Fact, error) { return []release.Fact{fact}, nil }, nil
}

// readArtifact reads KIND/ARCH=FILE and the file's digest.
func readArtifact(s, base string) (a release.Artifact, err error) {
	id, path, ok := strings.Cut(s, "=")
	a.ID = release.ArtifactID(id)
	if err := a.ID.Validate(); !ok || err != nil {
		return a, usagef("--artifact %q: want KIND/ARCH=FILE, as qcow2/x86_64=os.qcow2", s)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return a, usagef("--artifact %q: %w", s, err)
	}
	a.Name, a.Location = filepath.Base(abs), abs
	if base != "" {
		u, err := url.Parse(base)
		if err != nil || u.Host == "" || u.User != nil {
			return a, usagef("--locations: want the URL of a folder, without user and password")
		}
		a.Location = u.JoinPath(a.Name).String()
	}
	f, err := os.Open(abs)
	if err != nil {
		return a, usagef("cannot read artifact %s: %w", id, err)
	}
	defer func() { _ = f.Close() }()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return a, usagef("artifact %s: %s is no regular file", id, path)
	}
	h := sha256.New()
	if a.Size, err = io.Copy(h, f); err != nil {
		return a, usagef("cannot read artifact %s: %w", id, err)
	}
	a.Digest = artifact.DigestOf([32]byte(h.Sum(nil)))
	if err := a.Validate(); err != nil {
		return a, &usageError{err}
	}
	return a, nil
}

func parseCommit(s string) (m release.Commit, err error) {
	arch, rest, ok := strings.Cut(s, ":")
	ref, sum, ok2 := strings.Cut(rest, "=")
	sum, repo, _ := strings.Cut(sum, "@")
	if !ok || !ok2 {
		return m, usagef("--commit %q: want ARCH:REF=CHECKSUM[@REPO]", s)
	}
	if repo != "" && !strings.Contains(repo, "://") {
		if repo, err = filepath.Abs(repo); err != nil {
			return m, usagef("--commit %q: %w", s, err)
		}
	}
	m = release.Commit{Arch: artifact.Arch(arch), Ref: ref, Checksum: sum, Repo: repo}
	if err := m.Validate(); err != nil {
		return m, usagef("--commit %q: %w", s, err)
	}
	return m, nil
}

// maxManifest bounds a package manifest, in bytes: ten thousand packages have
// less than one MiB.
const maxManifest = 4 << 20

func readManifest(s string) (*release.PackagesListed, error) {
	arch, path, ok := strings.Cut(s, "=")
	if !ok || arch == "" {
		return nil, usagef("--packages %q: want ARCH=FILE", s)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("cannot read package manifest: %w", err)
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err == nil && len(raw) > maxManifest {
		err = fmt.Errorf("it has more than %d bytes", maxManifest)
	}
	var list []string
	if err == nil {
		list, err = packages.ParseList(string(raw))
	}
	if err != nil {
		return nil, usagef("cannot read package manifest %s: %w", path, err)
	}
	return &release.PackagesListed{Arch: artifact.Arch(arch), Packages: list}, nil
}
