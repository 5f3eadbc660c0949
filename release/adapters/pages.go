package adapters

import (
	"cmp"
	"context"
	"fmt"
	"maps"
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
// pointer and when there is news, and for a folder that always shows the present
// state. They offer nobody what cannot be downloaded yet.
type Pages struct {
	Config *config.Config
	Log    release.Log
	// With gives a function the state, caught up.
	With func(context.Context, func(*release.State) error) error
	Now  func() time.Time
}

// documents are a stream's pages at a target, for publishing with its pointer.
func (p *Pages) documents(target, url string) func(context.Context, release.Effect, publish.Pointer) (publish.Documents, error) {
	return func(ctx context.Context, e release.Effect, ptr publish.Pointer) (publish.Documents, error) {
		files, err := p.render(ctx, url, e.Stream, at{target, ptr}, site.Render)
		return publish.Documents(files), err
	}
}

// front are the pages above all streams.
func (p *Pages) front(target, url string) func(context.Context, release.Effect, publish.Pointer) (publish.Documents, error) {
	return func(ctx context.Context, _ release.Effect, ptr publish.Pointer) (publish.Documents, error) {
		files, err := p.render(ctx, url, "", at{target, ptr}, site.RenderFront)
		return publish.Documents(files), err
	}
}

// at is where pages are for: a target, with the pointer that goes there with
// them. The zero value is the folder that shows the present state.
type at struct {
	target  string
	pointer publish.Pointer
}

// readers fills in what the readers of a stream's pages can download: what was
// published, where they find it.
func (p *Pages) readers(s *site.Stream, l *release.Line, where at) {
	if len(s.Policy.Targets) == 0 {
		return // nothing is published from here, so nothing is known of it
	}
	if where.target != "" && s.Policy.Stream != where.pointer.Stream {
		// Its first pointer brings its pages along.
		s.NoPages = !slices.ContainsFunc(s.Policy.Targets, func(t release.Target) bool {
			_, shown := l.ShownAt(t)
			return t.Name == where.target && shown
		})
	}
	for i, t := range p.targets(s, where) {
		there := l.PublishedAt(t)
		if s.Policy.Stream == where.pointer.Stream && where.pointer.Build != "" {
			there[where.pointer.Build] = where.pointer.Given()
		}
		if i == 0 {
			s.Published, s.Commits = map[release.BuildID]bool{}, there
			for b := range there {
				s.Published[b] = true
			}
		}
		// Of several, readers may come to any.
		maps.DeleteFunc(s.Published, func(b release.BuildID, _ bool) bool { _, ok := there[b]; return !ok })
	}
}

// targets are where the readers of pages get files: the target that the pages
// are on; for the site's own folder the one whose address its links have, else
// all that announcements wait for.
func (p *Pages) targets(s *site.Stream, where at) (out []release.Target) {
	pick := func(is func(release.Target) bool) bool {
		for _, t := range s.Policy.Targets {
			if is(t) {
				out = append(out, t)
			}
		}
		return len(out) > 0
	}
	files := strings.TrimRight(cmp.Or(s.Files, p.Config.Site.URL), "/")
	_ = pick(func(t release.Target) bool { return t.Name == where.target }) ||
		pick(func(t release.Target) bool {
			u := p.Config.Targets[t.Name].URL
			return u != "" && strings.TrimRight(u, "/") == files
		}) ||
		pick(func(t release.Target) bool { return !t.AfterAnnounce }) ||
		pick(func(release.Target) bool { return true })
	return out
}

// Write writes the site into its folder, if there is to be one.
func (p *Pages) Write(ctx context.Context) error {
	c := p.Config.Site
	if c.Directory == "" {
		return nil
	}
	files, err := p.render(ctx, c.URL, "", at{}, site.Render)
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

func (p *Pages) render(ctx context.Context, url string, only release.Stream, where at, pages func(site.Input) (site.Files, error)) (out site.Files, err error) {
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
			stream := in.Streams[i].Policy.Stream
			p.readers(&in.Streams[i], st.Line(stream), where)
			if only != "" && only != stream {
				continue
			}
			if in.Streams[i].Changes, err = site.PackageChanges(ctx, p.Log, st, stream); err != nil {
				return fmt.Errorf("cannot make the pages of %s: %w", stream, err)
			}
		}
		out, err = pages(in)
		return err
	})
	return out, err
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
