package site

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"assay/release"
	"assay/release/packages"
)

// Config is a site, as YAML has it.
type Config struct {
	Title string `yaml:"title"`
	About string `yaml:"about"`
	// URL is where readers find the site; see Input.URL.
	URL string `yaml:"url"`
	// Directory is where Write puts the whole site; empty leaves it to the
	// publishers, which put each stream's pages beside its pointer.
	Directory string         `yaml:"directory"`
	Streams   []StreamConfig `yaml:"streams"`
}

// StreamConfig is a stream of a site.
type StreamConfig struct {
	Stream release.Stream `yaml:"stream"`
	// Files is where the published files are, if not at the site's URL.
	Files string      `yaml:"files"`
	Keys  []KeyConfig `yaml:"keys"`
	// CloudImages is a file of lines, each a CloudImage in JSON; it may be
	// missing as long as nobody has uploaded anything.
	CloudImages string `yaml:"cloud_images"`
	// Rollout is how long a release takes to reach all machines.
	Rollout  time.Duration   `yaml:"rollout"`
	Barriers []BarrierConfig `yaml:"barriers"`
}

// KeyConfig is a public key.
type KeyConfig struct {
	// Name is the key's name in the policy.
	Name string `yaml:"name"`
	// Public is the file with the OpenPGP key, as gpg exports it.
	Public string `yaml:"public"`
}

// BarrierConfig is a Barrier.
type BarrierConfig struct {
	Build  release.BuildID `yaml:"build"`
	Reason string          `yaml:"reason"`
}

// maxCloudFile bounds the file of cloud images, in bytes.
const maxCloudFile = 16 << 20

// Load reads the files that c names and makes an Input of it, which lacks State
// and Now, and Published, Commits and Changes of its streams. Each stream needs
// its policy.
func (c Config) Load(policies []*release.Policy) (Input, error) {
	in := Input{Title: c.Title, About: c.About, URL: c.URL}
	if c.Directory != "" && !filepath.IsAbs(c.Directory) {
		return in, fmt.Errorf("cannot make the site: directory %q: want an absolute path", c.Directory)
	}
	for _, s := range c.Streams {
		out := Stream{Files: s.Files, Rollout: s.Rollout}
		fail := func(err error) (Input, error) {
			return in, fmt.Errorf("cannot make the site of %.100q: %w", s.Stream, err)
		}
		for _, p := range policies {
			if p.Stream == s.Stream {
				out.Policy = p
			}
		}
		if out.Policy == nil {
			return fail(fmt.Errorf("there is no policy for it"))
		}
		for _, k := range s.Keys {
			b, err := readBounded(k.Public, maxKey)
			if err == nil {
				_, err = newPublicKey(Key{k.Name, b})
			}
			if err != nil {
				return fail(fmt.Errorf("public key %s: %w", k.Name, err))
			}
			out.Keys = append(out.Keys, Key{k.Name, b})
		}
		for _, b := range s.Barriers {
			if err := b.Build.Validate(); err != nil {
				return fail(fmt.Errorf("barriers: %w (put quotes around it: YAML takes it for a number)", err))
			}
			out.Barriers = append(out.Barriers, Barrier(b))
		}
		if s.CloudImages != "" {
			b, err := readBounded(s.CloudImages, maxCloudFile)
			if err != nil && !os.IsNotExist(err) {
				return fail(err)
			}
			if out.CloudImages, err = ParseCloudImages(b); err != nil {
				return fail(fmt.Errorf("%s: %w", s.CloudImages, err))
			}
		}
		in.Streams = append(in.Streams, out)
	}
	return in, nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return b, err
}

// ParseCloudImages reads lines of JSON, each a CloudImage. Whoever uploads images
// appends to such a file.
func ParseCloudImages(b []byte) (out []CloudImage, err error) {
	n := 0
	for line := range bytes.Lines(b) {
		n++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var c CloudImage
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if err := c.Build.Validate(); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if c.Arch == "" || c.Provider == "" || c.Image == "" {
			return nil, fmt.Errorf("line %d: want arch, provider and image", n)
		}
		out = append(out, c)
	}
	return out, nil
}

// PackageChanges reads how the packages of what is out differ from those of the
// release before; nil when either manifest is not known.
func PackageChanges(ctx context.Context, log release.Log, s *release.State, stream release.Stream) (*Changes, error) {
	l := s.Line(stream)
	out := l.Out()
	if out == nil || len(out.Artifacts) == 0 {
		return nil, nil
	}
	now, before := l.Build(out.Build), l.Build(out.Previous)
	if now == nil || before == nil {
		return nil, nil
	}
	arch := out.ManifestArch()
	from, to := before.PackagesAt(arch), now.PackagesAt(arch)
	if from == 0 || to == 0 {
		return nil, nil
	}
	a, err := packages.Read(ctx, log, from)
	if err != nil {
		return nil, err
	}
	b, err := packages.Read(ctx, log, to)
	if err != nil {
		return nil, err
	}
	return &Changes{Build: out.Build, From: before.ID, Diff: packages.Compare(a, b)}, nil
}
