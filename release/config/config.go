// Package config reads the configuration of the release stage: where its
// history is, which policies it follows, and what the adapters are that the
// policies name. One strict YAML file; faults have line and column.
//
// It holds no secrets, only where they are: files, or names of variables of the
// environment. It opens nothing but itself and the policies.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/release"
	"assay/release/announce"
	"assay/release/intake"
	"assay/release/policy"
	"assay/release/publish"
	"assay/release/sign"
	"assay/release/site"
	"assay/release/strictyaml"
	"assay/release/tracker"
	"assay/release/waiverdb"
)

// MaxSize bounds the file, in bytes.
const MaxSize = 1 << 20

// Config is the whole of it. Paths in the file are relative to its folder; here
// they are absolute.
type Config struct {
	// Path is where it was read from.
	Path string `yaml:"-"`
	// Rehearsal says that the history is one to try things with: its clock may
	// be set by hand.
	Rehearsal bool    `yaml:"rehearsal"`
	History   History `yaml:"history"`
	// Policies are files, one for each stream.
	Policies []string `yaml:"policies"`
	// Groups are who is in which group, for the overrides of policies.
	Groups map[string][]string `yaml:"groups"`
	// Spool is a folder that lasts, for what signers and publishers make on the
	// way.
	Spool string `yaml:"spool"`
	Serve Serve  `yaml:"serve"`
	// Site is the download site: published with the pointer to each target that
	// has a url, and written to its directory whenever something changes. Streams
	// that it does not list are on it all the same, with the public keys below.
	Site site.Config `yaml:"site"`

	// The adapters, by the names that policies call them.
	Keys      map[string]sign.Config    `yaml:"keys"`
	Promotion sign.Promotion            `yaml:"promotion"`
	Targets   map[string]publish.Config `yaml:"targets"`
	Trackers  map[string]Tracker        `yaml:"trackers"`
	Announce  map[string]Announce       `yaml:"announce"`
	Rebuild   map[string]Folder         `yaml:"rebuild"`
	// Intake is where builds are learned of, by the name of the machine that is
	// recorded with each.
	Intake map[string]intake.Config `yaml:"intake"`
	// Folders are where builds are put down, Schedules compose commands that put
	// them there.
	Folders   map[string]intake.FolderConfig   `yaml:"folders"`
	Schedules map[string]intake.ScheduleConfig `yaml:"schedules"`

	// WaiverDB is one whose waivers are followed; nil for none.
	WaiverDB *waiverdb.Config `yaml:"waiverdb"`

	streams []*release.Policy
}

// History is where the history is kept; see history.Options.
type History struct {
	Dir         string `yaml:"dir"`
	URL         string `yaml:"url"`
	Credentials string `yaml:"credentials"`
	Stream      string `yaml:"stream"`
	Replicas    int    `yaml:"replicas"`
}

// Serve is how the service runs.
type Serve struct {
	// Listen is HOST:PORT, "127.0.0.1:8470" when empty; port 0 takes a free one.
	Listen string `yaml:"listen"`
	// ListenAnywhere allows an address other than the loopback's. What is said
	// there is not encrypted: put a proxy that speaks TLS in front.
	ListenAnywhere bool `yaml:"listen_anywhere"`
	// Tokens is a file that says who may change things: lines of NAME TOKEN,
	// where the name * may speak for everybody.
	Tokens string `yaml:"tokens"`
	// Tick is how often the calendar is looked at when nothing happens; a minute
	// when 0.
	Tick time.Duration `yaml:"tick"`
	// PollBugs is how often trackers are asked what people did to bugs; ten
	// minutes when 0.
	PollBugs time.Duration `yaml:"poll_bugs"`
	// EffectTimeout bounds one attempt of an effect, by kind; 15 minutes for one
	// that is not named, and a minute for "result".
	EffectTimeout map[release.EffectKind]time.Duration `yaml:"effect_timeout"`
}

// Tracker is a bug tracker, or a folder.
type Tracker struct {
	tracker.Config `yaml:",inline"`
	Folder         string `yaml:"folder"`
}

// Announce is a channel: exactly one of the three.
type Announce struct {
	Mail   *announce.MailConfig `yaml:"mail"`
	Bus    *announce.BusConfig  `yaml:"bus"`
	Folder string               `yaml:"folder"`
}

// Folder is an adapter that writes each effect as a file into a folder, for
// other programs to take up.
type Folder struct {
	Folder string `yaml:"folder"`
}

// DefaultListen is on the loopback: whoever wants more says so.
const DefaultListen = "127.0.0.1:8470"

// Read reads a configuration and the policies it names.
func Read(path string) (*Config, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read configuration %s: %w", path, err)
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read configuration: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() > MaxSize {
		return nil, fmt.Errorf("cannot read configuration %s: want a regular file of at most %d bytes", path, MaxSize)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read configuration: %w", err)
	}
	c, r := parse(path, data, filepath.Dir(abs))
	if r.Err() != nil {
		return nil, r.Err()
	}
	c.Path = abs
	for i, file := range c.Policies {
		p, err := policy.Read(file)
		var open *fs.PathError
		if errors.As(err, &open) && open.Path == file {
			r.Check(fmt.Sprintf("$.policies[%d]", i), err)
			return nil, r.Err()
		}
		if err != nil {
			return nil, err // with its place
		}
		if slices.ContainsFunc(c.streams, func(q *release.Policy) bool { return q.Stream == p.Stream }) {
			return nil, fmt.Errorf("%s: there are two policies of stream %s", file, p.Stream)
		}
		c.streams = append(c.streams, p)
	}
	for _, p := range c.streams {
		if f := p.Follow; f != nil && c.Stream(f.Stream) == nil {
			return nil, fmt.Errorf("%s: stream %s follows %s, which has no policy here", path, p.Stream, f.Stream)
		}
	}
	return c, nil
}

// Parse reads a configuration without its policies; name is what errors call it
// and dir what its paths are relative to.
func Parse(name string, data []byte, dir string) (*Config, error) {
	c, r := parse(name, data, dir)
	if r.Err() != nil {
		return nil, r.Err()
	}
	return c, nil
}

func parse(name string, data []byte, dir string) (*Config, *strictyaml.Reader) {
	c := &Config{}
	r := strictyaml.Read(name, data, MaxSize, c)
	if r.Err() != nil {
		return c, r
	}
	if c.Serve.Listen == "" {
		c.Serve.Listen = DefaultListen
	}
	c.resolve(dir)
	c.check(r)
	return c, r
}

// Streams are the policies, in the order of the file.
func (c *Config) Streams() []*release.Policy { return c.streams }

// Stream finds a stream's policy; nil if there is none.
func (c *Config) Stream(s release.Stream) *release.Policy {
	for _, p := range c.streams {
		if p.Stream == s {
			return p
		}
	}
	return nil
}

// GroupsOf are the groups that a person is in, sorted.
func (c *Config) GroupsOf(name string) (out []string) {
	for group, members := range c.Groups {
		if slices.Contains(members, name) {
			out = append(out, group)
		}
	}
	slices.Sort(out)
	return out
}

// resolve makes the paths absolute.
func (c *Config) resolve(dir string) {
	at := func(paths ...*string) {
		for _, p := range paths {
			if *p != "" && !filepath.IsAbs(*p) {
				*p = filepath.Join(dir, *p)
			}
		}
	}
	list := func(paths []string) {
		for i := range paths {
			at(&paths[i])
		}
	}
	at(&c.History.Dir, &c.History.Credentials, &c.Spool, &c.Site.Directory, &c.Serve.Tokens)
	list(c.Policies)
	for name, k := range c.Keys {
		at(&k.File, &k.PassphraseFile, &k.Public)
		if k.Agent != nil {
			at(&k.Agent.Homedir)
		}
		c.Keys[name] = k
	}
	if !strings.Contains(c.Promotion.Repo, "://") {
		at(&c.Promotion.Repo)
	}
	for name, t := range c.Targets {
		at(&t.Documentation)
		if t.Directory != nil {
			at(&t.Directory.Path)
		}
		if t.Rsync != nil {
			at(&t.Rsync.IdentityFile, &t.Rsync.KnownHosts)
		}
		if t.S3 != nil {
			at(&t.S3.CredentialsFile)
		}
		list(t.Trust.OpenPGP)
		list(t.Trust.Ed25519)
		c.Targets[name] = t
	}
	for name, t := range c.Trackers {
		at(&t.TokenFile, &t.CAFile, &t.Folder)
		c.Trackers[name] = t
	}
	for name, a := range c.Announce {
		at(&a.Folder)
		if m := a.Mail; m != nil {
			at(&m.CAFile, &m.CertFile, &m.KeyFile, &m.PasswordFile)
		}
		if b := a.Bus; b != nil {
			at(&b.CAFile, &b.CertFile, &b.KeyFile, &b.PasswordFile)
		}
		c.Announce[name] = a
	}
	for name, f := range c.Rebuild {
		at(&f.Folder)
		c.Rebuild[name] = f
	}
	for name, b := range c.Intake {
		at(&b.CAFile, &b.CertFile, &b.KeyFile, &b.PasswordFile)
		c.Intake[name] = b
	}
	for name, f := range c.Folders {
		at(&f.Path)
		c.Folders[name] = f
	}
	for name, s := range c.Schedules {
		at(&s.Into, &s.Work)
		for _, command := range [][]string{s.Command, s.Packages} {
			// Without a slash it is looked for in PATH; it runs in a folder of its own.
			if len(command) > 0 && strings.Contains(command[0], "/") {
				at(&command[0])
			}
		}
		c.Schedules[name] = s
	}
	if w := c.WaiverDB; w != nil {
		at(&w.CAFile, &w.CertFile, &w.KeyFile)
	}
	for i := range c.Site.Streams {
		at(&c.Site.Streams[i].CloudImages)
		for j := range c.Site.Streams[i].Keys {
			at(&c.Site.Streams[i].Keys[j].Public)
		}
	}
}

func (c *Config) check(r *strictyaml.Reader) {
	if c.History.Dir == "" {
		r.Fail("$.history", "want dir: the folder of the history")
	}
	if strings.Contains(c.History.URL, "@") {
		// Neither here nor in an error: it may have a password in it.
		r.Fail("$.history.url", "want no user and password in it: use credentials, a file")
	}
	if c.History.URL == "" && (c.History.Credentials != "" || c.History.Replicas != 0) {
		r.Fail("$.history", "credentials and replicas are for a cluster: want url")
	}
	if len(c.Policies) == 0 {
		r.Fail("$.policies", "want at least one policy file")
	}
	if c.Spool == "" && len(c.Keys)+len(c.Targets) > 0 {
		r.Fail("$.spool", "keys and targets need spool: a folder that lasts")
	}
	c.checkURLs(r)
	if c.Site.Directory != "" && c.Site.URL == "" {
		r.Fail("$.site", "directory needs url: where readers find it")
	}
	r.Check("$.serve.listen", c.Serve.check())
	for key, d := range map[string]time.Duration{"tick": c.Serve.Tick, "poll_bugs": c.Serve.PollBugs} {
		if d < 0 || d > 24*time.Hour {
			r.Fail("$.serve."+key, "want a duration of up to a day, not %s", d)
		}
	}
	kinds := []release.EffectKind{release.EffectBug, release.EffectSign, release.EffectPublish, release.EffectAnnounce, release.EffectRebuild, release.EffectResult}
	for _, k := range slices.Sorted(maps.Keys(c.Serve.EffectTimeout)) {
		if d := c.Serve.EffectTimeout[k]; !slices.Contains(kinds, k) || d <= 0 || d > 24*time.Hour {
			r.Fail("$.serve.effect_timeout", "%q: %s: want one of %v and a duration of up to a day", k, d, kinds)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Trackers)) {
		t := c.Trackers[name]
		if t.Folder != "" {
			if t.Type != "" {
				r.Fail("$.trackers."+name, "want either folder or type")
			}
			continue
		}
		r.Check("$.trackers."+name, t.Validate())
	}
	for _, name := range slices.Sorted(maps.Keys(c.Announce)) {
		a, n := c.Announce[name], 0
		for _, has := range []bool{a.Mail != nil, a.Bus != nil, a.Folder != ""} {
			if has {
				n++
			}
		}
		if n != 1 {
			r.Fail("$.announce."+name, "want exactly one of mail, bus and folder, not %d", n)
		}
		if a.Folder == "" && c.ReadersURL() == "" {
			r.Fail("$.announce."+name, "an announcement points to pages: want site.url, or the url of a target")
		}
	}
	works, makes := map[string]string{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Schedules)) {
		s := c.Schedules[name]
		work, made := filepath.Clean(s.Work), string(s.Stream)+"\x00"+filepath.Clean(s.Into)
		if other := works[work]; other != "" && s.Work != "" {
			r.Fail("$.schedules."+name, "work: it is that of %s: each schedule keeps its own", other)
		}
		if other := makes[made]; other != "" {
			r.Fail("$.schedules."+name, "into: composes of %s go there by the same names, those of %s: one schedule for a stream and a folder", other, s.Stream)
		}
		works[work], makes[made] = name, name
		if !slices.ContainsFunc(slices.Collect(maps.Values(c.Folders)), func(f intake.FolderConfig) bool {
			return filepath.Clean(f.Path) == filepath.Clean(s.Into) && f.Stream == s.Stream
		}) {
			r.Fail("$.schedules."+name+".into", "want the path of one of folders, of the same stream, and not its name: what is made there is taken from there")
		}
		if _, err := time.Parse("15:04", s.At); err != nil {
			r.Fail("$.schedules."+name+".at", "want a time of day, as \"01:30\", not %q", s.At)
		}
		if _, err := time.LoadLocation(s.Zone); err != nil {
			r.Fail("$.schedules."+name+".zone", "there is no time zone %q: want a name as Europe/Prague or UTC", s.Zone)
		}
	}
	if c.WaiverDB != nil {
		r.Check("$.waiverdb", c.WaiverDB.Check())
	}
	for _, name := range slices.Sorted(maps.Keys(c.Rebuild)) {
		if c.Rebuild[name].Folder == "" {
			r.Fail("$.rebuild."+name, "want folder")
		}
	}
}

// checkURLs refuses addresses here that would else fail when they are used: on
// the day of a release. Trackers and the WaiverDB are checked with their other
// keys.
func (c *Config) checkURLs(r *strictyaml.Reader) {
	web := func(at, url string) {
		if url != "" {
			r.Check(at, site.CheckURL(url))
		}
	}
	web("$.site.url", c.Site.URL)
	for i, s := range c.Site.Streams {
		web(fmt.Sprintf("$.site.streams[%d].files", i), s.Files)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Targets)) {
		web("$.targets."+name+".url", c.Targets[name].URL)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Announce)) {
		if b := c.Announce[name].Bus; b != nil {
			r.Check("$.announce."+name+".bus", b.CheckURL())
			web("$.announce."+name+".bus.contact.url", b.Contact.URL)
			web("$.announce."+name+".bus.contact.docs", b.Contact.Docs)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Intake)) {
		in := c.Intake[name]
		r.Check("$.intake."+name, in.CheckURL())
	}
}

// ReadersURL is where readers find pages and releases, without a slash at its
// end: the site's, or that of the first target that has one.
func (c *Config) ReadersURL() string {
	url := c.Site.URL
	for _, name := range slices.Sorted(maps.Keys(c.Targets)) {
		if url == "" {
			url = c.Targets[name].URL
		}
	}
	return strings.TrimRight(url, "/")
}

func (s Serve) check() error {
	host, _, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return errors.New("want HOST:PORT, as " + DefaultListen)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && !s.ListenAnywhere {
		return errors.New("it is no loopback address, and what is said there is not encrypted: keep to " + DefaultListen +
			" behind a proxy that speaks TLS, or set listen_anywhere")
	}
	return nil
}
