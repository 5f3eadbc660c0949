package intake

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"assay/release"
	"assay/release/bus"
)

// Config is one bus that builds are announced on, as YAML has it. Its name is the
// machine that is recorded with each announcement.
type Config struct {
	bus.Server `yaml:",inline"`
	// TopicPrefix is put before topics: "org.fedoraproject.prod".
	TopicPrefix string `yaml:"topic_prefix"`
	// Queue is durable and ours alone; on Fedora's public bus its name has to be
	// a UUID.
	Queue string `yaml:"queue"`
	// Given says that queue and bindings are the broker's owner's: nothing is
	// declared, and what is rejected goes where that queue sends it.
	Given bool `yaml:"given"`
	// Locations are places where announced files may be, and where we find them:
	// "/mnt/koji/compose/: https://kojipkgs.example.org/compose/". Both sides end
	// in a slash.
	Locations map[string]string `yaml:"locations"`
	Streams   []StreamConfig    `yaml:"streams"`
}

// StreamConfig says what of a compose is a build of a stream.
type StreamConfig struct {
	Stream release.Stream `yaml:"stream"`
	// Compose is a pattern of compose ids: "Fedora-Cloud-43-*".
	Compose release.Glob `yaml:"compose"`
	// Types are those of composes that count; all when empty.
	Types []string `yaml:"types"`
	// Images are those of a compose that are artifacts.
	Images []ImageConfig `yaml:"images"`
}

// ImageConfig picks images of a compose by the words of productmd; empty ones
// match all.
type ImageConfig struct {
	// Kind is the first half of the artifact's id: "qcow2".
	Kind       string `yaml:"kind"`
	Variant    string `yaml:"variant"`
	Subvariant string `yaml:"subvariant"`
	Type       string `yaml:"type"`
	Format     string `yaml:"format"`
}

var (
	topicPrefix = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){0,10}$`)
	queueName   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`)
)

// check refuses what cannot be used.
func (c *Config) check(policies []*release.Policy) error {
	if err := c.Server.Check(); err != nil {
		return err
	}
	switch {
	case !topicPrefix.MatchString(c.TopicPrefix) || len(c.TopicPrefix) > 150:
		return fmt.Errorf("topic_prefix %.100q: want words and dots, as org.fedoraproject.prod", c.TopicPrefix)
	case !queueName.MatchString(c.Queue) || strings.HasPrefix(c.Queue, "amq."):
		return fmt.Errorf("queue %.100q: want a name of letters, digits, '.', '_' and '-'", c.Queue)
	case len(c.Locations) == 0:
		return errors.New("locations: want the places that announced files may be at, as https://kojipkgs.example.org/compose/")
	case len(c.Streams) == 0:
		return errors.New("streams: want at least one")
	}
	for _, from := range slices.Sorted(maps.Keys(c.Locations)) {
		if c.Locations[from] == "" {
			c.Locations[from] = from
		}
		for _, l := range []string{from, c.Locations[from]} {
			u, err := url.Parse(l)
			web := err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
			if !web && !filepath.IsAbs(l) || !strings.HasSuffix(l, "/") || strings.Contains(l, "..") {
				return fmt.Errorf("locations: %.100q: want https://HOST/PATH/ or /PATH/, with a slash at the end", l)
			}
		}
	}
	for i, s := range c.Streams {
		if !slices.ContainsFunc(policies, func(p *release.Policy) bool { return p.Stream == s.Stream }) {
			return fmt.Errorf("streams[%d]: there is no policy of stream %.100q", i, s.Stream)
		}
		if s.Compose == "" {
			return fmt.Errorf("streams[%d].compose: want a pattern of compose ids, as Fedora-Cloud-43-*", i)
		}
		for j, m := range s.Images {
			if err := release.NewArtifactID(m.Kind, "x86_64").Validate(); err != nil {
				return fmt.Errorf("streams[%d].images[%d]: kind %.40q: %w", i, j, m.Kind, err)
			}
		}
	}
	return nil
}

// place is where we find what a message says is at location; files elsewhere are
// not ours to believe in.
func (c *Config) place(location string) (string, error) {
	if !strings.Contains(location, "..") && !strings.ContainsFunc(location, func(r rune) bool { return r <= ' ' || r > '~' }) {
		// The longest prefix is the one that is meant.
		best := ""
		for from := range c.Locations {
			if strings.HasPrefix(location, from) && len(from) > len(best) {
				best = from
			}
		}
		if best != "" {
			return c.Locations[best] + strings.TrimPrefix(location, best), nil
		}
	}
	return "", refuse("%.200q is none of the places that are listed under locations", location)
}

// of are the streams that a compose has builds of.
func (c *Config) of(compose, kind string) (out []StreamConfig) {
	for _, s := range c.Streams {
		if s.Compose.Match(compose) && (len(s.Types) == 0 || slices.Contains(s.Types, kind)) {
			out = append(out, s)
		}
	}
	return out
}
