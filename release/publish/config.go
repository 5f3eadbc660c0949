package publish

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"assay/release/sign"
)

// Config is one target. Exactly one of Directory, Rsync and S3 is set.
type Config struct {
	Directory *Directory `yaml:"directory"`
	Rsync     *Rsync     `yaml:"rsync"`
	S3        *S3        `yaml:"s3"`
	// URL is where readers find the target's root, for receipts.
	URL string `yaml:"url"`
	// Trust says whose signatures count, and which a release must have here:
	// those of checksums and commits when it requires none.
	Trust sign.Trust `yaml:"trust"`
	// StaticDeltas makes a static delta from the commit that is out to the next.
	StaticDeltas bool `yaml:"static_deltas"`
	// SameCommitOnFallback gives hosts the old commit again after a revocation.
	// They go back to an older one only when told to, so without it the old
	// content is released as a new commit, where there are signers for it.
	SameCommitOnFallback bool `yaml:"same_commit_on_fallback"`
	// Documentation is a folder that is published beside the images, as docs/.
	Documentation string `yaml:"documentation"`
	// LinkSources publishes hard links to the files of a build instead of copies
	// where reflinks cannot be had. The build's own files must never change then.
	LinkSources bool `yaml:"link_sources"`
}

// Directory is a folder of this host.
type Directory struct {
	// Path has to be there: one that is not may be a mount that is missing.
	Path string `yaml:"path"`
}

// Rsync is a folder of another host, reached by rsync over SSH. Both sides need
// rsync 3.1 or newer. The login may be restricted to rsync (rrsync).
type Rsync struct {
	// Host is [USER@]HOST.
	Host string `yaml:"host"`
	Port int    `yaml:"port"`
	// Path is the folder there, which has to be there.
	Path string `yaml:"path"`
	// IdentityFile has the secret SSH key; empty leaves it to ssh's own
	// configuration and agent. KnownHosts has the host's key.
	IdentityFile string `yaml:"identity_file"`
	KnownHosts   string `yaml:"known_hosts"`
}

// S3 is a bucket.
type S3 struct {
	// Endpoint is HOST[:PORT].
	Endpoint string `yaml:"endpoint"`
	Bucket   string `yaml:"bucket"`
	// Prefix is put before all names; empty is the root of the bucket.
	Prefix string `yaml:"prefix"`
	Region string `yaml:"region"`
	// CredentialsFile is in the form of the AWS tools, readable by its owner
	// alone; Profile is the section, "default" when empty.
	CredentialsFile string `yaml:"credentials_file"`
	Profile         string `yaml:"profile"`
	// Plain speaks HTTP without TLS.
	Plain bool `yaml:"plain_http"`
}

func (c *Config) check() error {
	n := 0
	for _, has := range []bool{c.Directory != nil, c.Rsync != nil, c.S3 != nil} {
		if has {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("want exactly one of directory, rsync and s3, not %d", n)
	}
	if c.Documentation != "" && !filepath.IsAbs(c.Documentation) {
		return fmt.Errorf("documentation %q: want an absolute path", c.Documentation)
	}
	switch {
	case c.Directory != nil && !filepath.IsAbs(c.Directory.Path):
		return fmt.Errorf("directory: path %q: want an absolute path", c.Directory.Path)
	case c.Rsync != nil:
		if err := c.Rsync.check(); err != nil {
			return fmt.Errorf("rsync: %w", err)
		}
	case c.S3 != nil && (c.S3.Endpoint == "" || c.S3.Bucket == "" || c.S3.CredentialsFile == ""):
		return errors.New("s3: want endpoint, bucket and credentials_file")
	}
	if len(c.Trust.Require) == 0 {
		c.Trust.Require = []sign.What{sign.Checksums, sign.Commits}
	}
	if err := c.Trust.Check(); err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	return nil
}

func (r *Rsync) check() error {
	for what, s := range map[string]string{"host": r.Host, "path": r.Path, "identity_file": r.IdentityFile, "known_hosts": r.KnownHosts} {
		if strings.ContainsAny(s, "\"'\\\n\r\x00 ") || strings.HasPrefix(s, "-") {
			return fmt.Errorf("%s %q: want no space, quote or leading -", what, s)
		}
	}
	if r.Host == "" || strings.Contains(r.Host, ":") {
		return fmt.Errorf("host %q: want [USER@]HOST", r.Host)
	}
	if !strings.HasPrefix(r.Path, "/") {
		return fmt.Errorf("path %q: want an absolute path", r.Path)
	}
	if r.Port < 0 || r.Port > 65535 {
		return fmt.Errorf("port %d", r.Port)
	}
	return nil
}
