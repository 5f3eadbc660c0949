// Package adapters plugs the release stage together: what the configuration has
// by name becomes what the engine calls, and what the pages are made of. It
// opens what the configuration names and does nothing with it.
package adapters

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/release"
	"assay/release/announce"
	"assay/release/config"
	"assay/release/engine"
	"assay/release/packages"
	"assay/release/publish"
	"assay/release/sign"
	"assay/release/tracker"
	"assay/release/tracker/trackers"
)

// Names are the adapters that the configuration has.
func Names(cfg *config.Config) map[engine.Target]bool {
	out := map[engine.Target]bool{}
	put := func(kind release.EffectKind, names ...string) {
		for _, n := range names {
			out[engine.Target{Kind: kind, Name: n}] = true
		}
	}
	put(release.EffectSign, slices.Collect(maps.Keys(cfg.Keys))...)
	put(release.EffectPublish, slices.Collect(maps.Keys(cfg.Targets))...)
	put(release.EffectBug, slices.Collect(maps.Keys(cfg.Trackers))...)
	put(release.EffectAnnounce, slices.Collect(maps.Keys(cfg.Announce))...)
	put(release.EffectRebuild, slices.Collect(maps.Keys(cfg.Rebuild))...)
	for name, a := range cfg.Announce {
		if a.Mail == nil {
			put(release.EffectResult, name)
		}
	}
	return out
}

// Sections are where the configuration has the adapters of a kind.
var Sections = map[release.EffectKind]string{release.EffectSign: "keys", release.EffectPublish: "targets", release.EffectBug: "trackers",
	release.EffectAnnounce: "announce", release.EffectRebuild: "rebuild", release.EffectResult: "announce"}

// Missing are those that policies name and the configuration lacks.
func Missing(cfg *config.Config) (out []string) {
	have := Names(cfg)
	for _, p := range cfg.Streams() {
		for _, t := range Wanted(p) {
			switch {
			case have[t]:
			case t.Kind == release.EffectResult && cfg.Announce[t.Name].Mail != nil:
				out = append(out, fmt.Sprintf("the policy of %s has results told to %q, which sends mail: want a bus or a folder", p.Stream, t.Name))
			default:
				out = append(out, fmt.Sprintf("the policy of %s names %q, and no such adapter is configured: add %s.%[2]s to %[4]s", p.Stream, t.Name, Sections[t.Kind], cfg.Path))
			}
		}
	}
	return out
}

// Wanted are the adapters that a policy names.
func Wanted(p *release.Policy) (out []engine.Target) {
	for _, k := range p.Keys {
		out = append(out, engine.Target{Kind: release.EffectSign, Name: k.Name})
	}
	for _, t := range p.Targets {
		out = append(out, engine.Target{Kind: release.EffectPublish, Name: t.Name})
	}
	for _, t := range p.Trackers {
		out = append(out, engine.Target{Kind: release.EffectBug, Name: t.Name})
	}
	for _, c := range p.Announce {
		out = append(out, engine.Target{Kind: release.EffectAnnounce, Name: c.Name})
	}
	for _, c := range p.Results {
		out = append(out, engine.Target{Kind: release.EffectResult, Name: c.Name})
	}
	if p.Follow != nil && p.Follow.Rebuild {
		out = append(out, engine.Target{Kind: release.EffectRebuild, Name: p.Follow.Rebuilder})
	}
	return out
}

// Options are what adapters need besides the configuration.
type Options struct {
	Log   release.Log
	Pages *Pages
	// Grace is tracker.Options.Grace.
	Grace time.Duration
}

// Open makes every adapter of the configuration, so that what is wrong with one
// is known before a release waits for it. Errors are the configuration's.
func Open(cfg *config.Config, o Options) (map[engine.Target]release.Performer, error) {
	out := map[engine.Target]release.Performer{}
	var signers []publish.Signer
	for _, name := range slices.Sorted(maps.Keys(cfg.Keys)) {
		k := cfg.Keys[name]
		s, err := sign.New(name, k, sign.Options{Spool: filepath.Join(cfg.Spool, "signed"), Promotion: cfg.Promotion})
		if err != nil {
			return nil, configError(cfg, "keys", name, err)
		}
		out[engine.Target{Kind: release.EffectSign, Name: name}] = s
		if k.Bus == nil && (len(k.Sign) == 0 || slices.Contains(k.Sign, sign.Commits)) {
			signers = append(signers, s)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Targets)) {
		po := publish.Options{Spool: filepath.Join(cfg.Spool, "targets"), Signers: signers}
		if url := cfg.Targets[name].URL; url != "" {
			po.Documents, po.Front = o.Pages.documents(name, url), o.Pages.front(name, url)
		}
		p, err := publish.New(name, cfg.Targets[name], po)
		if err != nil {
			return nil, configError(cfg, "targets", name, err)
		}
		out[engine.Target{Kind: release.EffectPublish, Name: name}] = p
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Trackers)) {
		var (
			t   release.Performer = Folder{cfg.Trackers[name].Folder}
			err error
		)
		if cfg.Trackers[name].Folder == "" {
			t, err = trackers.New(name, cfg.Trackers[name].Config, tracker.Options{Changes: packageChanges(o.Log), Grace: o.Grace})
		}
		if err != nil {
			return nil, configError(cfg, "trackers", name, err)
		}
		out[engine.Target{Kind: release.EffectBug, Name: name}] = t
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Announce)) {
		a, err := announcer(cfg, cfg.Announce[name], o.Log)
		if err != nil {
			return nil, configError(cfg, "announce", name, err)
		}
		out[engine.Target{Kind: release.EffectAnnounce, Name: name}] = a
		if cfg.Announce[name].Mail != nil {
			continue
		}
		t, err := teller(cfg, name, cfg.Announce[name], o.Log)
		if err != nil {
			return nil, configError(cfg, "announce", name, err)
		}
		out[engine.Target{Kind: release.EffectResult, Name: name}] = t
	}
	for name, f := range cfg.Rebuild {
		out[engine.Target{Kind: release.EffectRebuild, Name: name}] = Folder{f.Folder}
	}
	return out, nil
}

func configError(cfg *config.Config, section, name string, err error) error {
	return fmt.Errorf("%s: %s.%s: %w", cfg.Path, section, name, err)
}

// announcer makes a channel for every stream: what is said of one depends on its
// policy.
func announcer(cfg *config.Config, c config.Announce, log release.Log) (release.Performer, error) {
	if c.Folder != "" {
		return Folder{c.Folder}, nil
	}
	out := byStream{}
	for _, p := range cfg.Streams() {
		o := announceOptions(cfg, p, log)
		var err error
		if c.Mail != nil {
			out[p.Stream], err = announce.NewMailer(*c.Mail, o)
		} else {
			out[p.Stream], err = announce.NewBus(*c.Bus, o)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// teller makes one for every stream that has its results told there.
func teller(cfg *config.Config, name string, c config.Announce, log release.Log) (release.Performer, error) {
	if c.Folder != "" {
		return Folder{c.Folder}, nil
	}
	out := byStream{}
	for _, p := range cfg.Streams() {
		if !slices.Contains(p.Results, release.Channel{Name: name}) {
			continue
		}
		var err error
		if out[p.Stream], err = announce.NewTeller(*c.Bus, announceOptions(cfg, p, log)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func announceOptions(cfg *config.Config, p *release.Policy, log release.Log) announce.Options {
	url := cfg.ReadersURL()
	return announce.Options{Policy: p, Log: log, Page: url + "/streams/" + string(p.Stream), Files: url}
}

// byStream is an adapter that has one of its own for each stream.
type byStream map[release.Stream]release.Performer

// Do implements release.Performer.
func (b byStream) Do(ctx context.Context, e release.Effect) (release.Receipt, error) {
	if a := b[e.Stream]; a != nil {
		return a.Do(ctx, e)
	}
	return release.Receipt{}, fmt.Errorf("cannot do %s: stream %s has no policy: %w", e.Key, e.Stream, release.ErrPermanent)
}

// packageLines bounds the package differences in a bug.
const packageLines = 100

// packageChanges reads two package manifests from the history and compares
// them.
func packageChanges(log release.Log) func(ctx context.Context, good, bad uint64) ([]string, error) {
	return func(ctx context.Context, good, bad uint64) ([]string, error) {
		from, err := packages.Read(ctx, log, good)
		if err != nil {
			return nil, err
		}
		to, err := packages.Read(ctx, log, bad)
		if err != nil {
			return nil, err
		}
		text := strings.TrimRight(packages.Compare(from, to).Text(packageLines), "\n")
		if text == "" {
			return nil, nil
		}
		return strings.Split(text, "\n"), nil
	}
}
