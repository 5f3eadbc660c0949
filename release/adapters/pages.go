package adapters

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/release"
	"assay/release/config"
	"assay/release/publish"
	"assay/release/sign"
	"assay/release/site"
)

// Pages makes the download site: for targets, whose pages change with their
// pointer, and for a folder that always shows the present state.
type Pages struct {
	Config *config.Config
	Log    release.Log
	// With gives a function the state, caught up.
	With func(context.Context, func(*release.State) error) error
	Now  func() time.Time
}

// documents are a stream's pages, for publishing with its pointer.
func (p *Pages) documents(url string) func(context.Context, release.Effect) (publish.Documents, error) {
	return func(ctx context.Context, e release.Effect) (publish.Documents, error) {
		files, err := p.render(ctx, url, e.Stream)
		return publish.Documents(files), err
	}
}

// front are the pages above all streams.
func (p *Pages) front(url string) func(context.Context, release.Effect) (publish.Documents, error) {
	return func(ctx context.Context, _ release.Effect) (publish.Documents, error) {
		files, err := p.render(ctx, url, "")
		out := publish.Documents{}
		for name, content := range files {
			if !strings.HasPrefix(name, "streams/") {
				out[name] = content
			}
		}
		return out, err
	}
}

// Write writes the site into its folder, if there is to be one.
func (p *Pages) Write(ctx context.Context) error {
	c := p.Config.Site
	if c.Directory == "" {
		return nil
	}
	files, err := p.render(ctx, c.URL, "")
	if err != nil {
		return err
	}
	return files.Write(c.Directory)
}

// Head is how far the history had come.
func (p *Pages) Head(ctx context.Context) (seq uint64, err error) {
	err = p.With(ctx, func(st *release.State) error { seq = st.Head().Seq; return nil })
	return seq, err
}

func (p *Pages) render(ctx context.Context, url string, only release.Stream) (out site.Files, err error) {
	c := siteConfig(p.Config)
	c.URL = url
	in, err := c.Load(p.Config.Streams())
	if err != nil {
		return nil, err
	}
	in.Now, in.Only = p.Now(), only
	err = p.With(ctx, func(st *release.State) (err error) {
		in.State = st
		for i := range in.Streams {
			if in.Streams[i].Changes, err = site.PackageChanges(ctx, p.Log, st, in.Streams[i].Policy.Stream); err != nil {
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

// siteConfig is the site with every stream on it. Those without keys of their
// own have the public ones that their policies sign with.
func siteConfig(cfg *config.Config) site.Config {
	c := cfg.Site
	if c.Title == "" {
		c.Title = "Downloads"
	}
	c.Streams = slices.Clone(c.Streams)
	for _, p := range cfg.Streams() {
		i := slices.IndexFunc(c.Streams, func(s site.StreamConfig) bool { return s.Stream == p.Stream })
		if i < 0 {
			i = len(c.Streams)
			c.Streams = append(c.Streams, site.StreamConfig{Stream: p.Stream})
		}
		if len(c.Streams[i].Keys) > 0 {
			continue
		}
		for _, k := range p.Keys {
			if key := cfg.Keys[k.Name]; key.Kind != sign.Ed25519 && key.Public != "" {
				c.Streams[i].Keys = append(c.Streams[i].Keys, site.KeyConfig{Name: k.Name, Public: key.Public})
			}
		}
	}
	return c
}
