package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"assay/release"
	"assay/release/config"
	"assay/release/packages"
	"assay/release/publish"
	"assay/release/sign"
	"assay/release/site"
)

// pages makes the download site: for targets, whose pages change with their
// pointer, and for a folder that always shows the present state.
type pages struct {
	cfg  *config.Config
	log  release.Log
	with func(context.Context, func(*release.State) error) error
	now  func() time.Time
}

// documents are a stream's pages, for publishing with its pointer.
func (p *pages) documents(url string) func(context.Context, release.Effect) (publish.Documents, error) {
	return func(ctx context.Context, e release.Effect) (publish.Documents, error) {
		files, err := p.render(ctx, url, "", e.Stream)
		return publish.Documents(files), err
	}
}

// front are the pages above all streams.
func (p *pages) front(url string) func(context.Context, release.Effect) (publish.Documents, error) {
	return func(ctx context.Context, _ release.Effect) (publish.Documents, error) {
		files, err := p.render(ctx, url, "", "")
		out := publish.Documents{}
		for name, content := range files {
			if !strings.HasPrefix(name, "streams/") {
				out[name] = content
			}
		}
		return out, err
	}
}

// write writes the site into its folder, if there is to be one.
func (p *pages) write(ctx context.Context) error {
	c := p.cfg.Site
	if c.Folder == "" {
		return nil
	}
	files, err := p.render(ctx, c.URL, c.Files, "")
	if err != nil {
		return err
	}
	return files.Write(c.Folder)
}

func (p *pages) head(ctx context.Context) (seq uint64, err error) {
	err = p.with(ctx, func(st *release.State) error { seq = st.Head().Seq; return nil })
	return seq, err
}

func (p *pages) render(ctx context.Context, url, files string, only release.Stream) (out site.Files, err error) {
	in := site.Input{Title: p.cfg.Site.Title, About: p.cfg.Site.About, URL: url, Now: p.now(), Only: only}
	if in.Title == "" {
		in.Title = "Downloads"
	}
	for _, policy := range p.cfg.Streams() {
		keys, err := p.keys(policy)
		if err != nil {
			return nil, err
		}
		in.Streams = append(in.Streams, site.Stream{Policy: policy, Files: files, Keys: keys, Rollout: p.cfg.Site.Rollout})
	}
	err = p.with(ctx, func(st *release.State) (err error) {
		in.State = st
		for i := range in.Streams {
			if in.Streams[i].Changes, err = p.changes(ctx, st, in.Streams[i].Policy.Stream); err != nil {
				return err
			}
		}
		out, err = site.Render(in)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make the pages: %w", err)
	}
	return out, nil
}

// keys are the public keys that readers verify a stream's files with.
func (p *pages) keys(policy *release.Policy) (out []site.Key, err error) {
	for _, k := range policy.Keys {
		c := p.cfg.Keys[k.Name]
		if c.Kind == sign.Ed25519 || c.Public == "" {
			continue
		}
		raw, err := os.ReadFile(c.Public)
		if err != nil {
			return nil, fmt.Errorf("cannot read the public key %s: %w", k.Name, err)
		}
		out = append(out, site.Key{Name: k.Name, OpenPGP: raw})
	}
	return out, nil
}

// changes are the package differences of what is out, nil when a manifest is not
// known.
func (p *pages) changes(ctx context.Context, st *release.State, stream release.Stream) (*site.Changes, error) {
	l := st.Line(stream)
	out := l.Out()
	if out == nil || out.Previous == "" {
		return nil, nil
	}
	now, before := l.Build(out.Build), l.Build(out.Previous)
	if now == nil || before == nil || len(out.Artifacts) == 0 {
		return nil, nil
	}
	arch := out.Artifacts[0].Artifact.Arch()
	if now.PackagesAt(arch) == 0 || before.PackagesAt(arch) == 0 {
		return nil, nil
	}
	from, err := manifestAt(ctx, p.log, before.PackagesAt(arch))
	if err != nil {
		return nil, err
	}
	to, err := manifestAt(ctx, p.log, now.PackagesAt(arch))
	if err != nil {
		return nil, err
	}
	return &site.Changes{Build: out.Build, From: out.Previous, Diff: packages.Compare(from, to)}, nil
}
