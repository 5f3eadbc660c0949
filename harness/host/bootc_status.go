package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// bootcHost is what `bootc status` prints as JSON or YAML, in its versions
// org.containers.bootc/v1alpha1 and v1 (bootc's spec.rs).
type bootcHost struct {
	APIVersion string `json:"apiVersion" yaml:"apiVersion"`
	Kind       string `json:"kind" yaml:"kind"`
	Spec       struct {
		BootOrder string     `json:"bootOrder" yaml:"bootOrder"`
		Image     *bootcSpec `json:"image" yaml:"image"`
	} `json:"spec" yaml:"spec"`
	Status struct {
		Staged         *bootcEntry  `json:"staged" yaml:"staged"`
		Booted         *bootcEntry  `json:"booted" yaml:"booted"`
		Rollback       *bootcEntry  `json:"rollback" yaml:"rollback"`
		Other          []bootcEntry `json:"otherDeployments" yaml:"otherDeployments"`
		RollbackQueued bool         `json:"rollbackQueued" yaml:"rollbackQueued"`
		Type           string       `json:"type" yaml:"type"`
		Overlay        *struct {
			AccessMode  string `json:"accessMode" yaml:"accessMode"`
			Persistence string `json:"persistence" yaml:"persistence"`
		} `json:"usrOverlay" yaml:"usrOverlay"`
	} `json:"status" yaml:"status"`
}

type bootcSpec struct {
	Image     string         `json:"image" yaml:"image"`
	Transport string         `json:"transport" yaml:"transport"`
	Signature bootcSignature `json:"signature" yaml:"signature"`
}

// bootcSignature is "insecure" or "containerPolicy", or the name of an ostree
// remote under "ostreeRemote": a key in JSON, a tag in YAML.
type bootcSignature string

func (s *bootcSignature) UnmarshalJSON(b []byte) error {
	var word *string
	if json.Unmarshal(b, &word) == nil {
		if word != nil {
			*s = bootcSignature(*word)
		}
		return nil
	}
	var remote struct {
		Name string `json:"ostreeRemote"`
	}
	if err := json.Unmarshal(b, &remote); err != nil {
		return fmt.Errorf("a signature that is neither a word nor a remote: %w", err)
	}
	*s = bootcSignature("remote:" + remote.Name)
	return nil
}

func (s *bootcSignature) UnmarshalYAML(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!ostreeRemote":
		*s = bootcSignature("remote:" + n.Value)
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		*s = bootcSignature(strings.TrimPrefix(n.Tag, "!"))
		if n.Tag == "!!str" {
			*s = bootcSignature(n.Value)
		}
	case n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Value == "ostreeRemote":
		*s = bootcSignature("remote:" + n.Content[1].Value)
	case n.Kind != yaml.ScalarNode:
		return fmt.Errorf("line %d: a signature that is neither a word nor a remote", n.Line)
	}
	return nil
}

type bootcImage struct {
	Image     bootcSpec `json:"image" yaml:"image"`
	Version   string    `json:"version" yaml:"version"`
	Timestamp string    `json:"timestamp" yaml:"timestamp"`
	Digest    string    `json:"imageDigest" yaml:"imageDigest"`
}

type bootcEntry struct {
	Image        *bootcImage `json:"image" yaml:"image"`
	CachedUpdate *bootcImage `json:"cachedUpdate" yaml:"cachedUpdate"`
	Pinned       bool        `json:"pinned" yaml:"pinned"`
	DownloadOnly bool        `json:"downloadOnly" yaml:"downloadOnly"`
	OSTree       *struct {
		Checksum  string `json:"checksum" yaml:"checksum"`
		Serial    int    `json:"deploySerial" yaml:"deploySerial"`
		Stateroot string `json:"stateroot" yaml:"stateroot"`
	} `json:"ostree" yaml:"ostree"`
	Composefs *struct {
		Verity string `json:"verity" yaml:"verity"`
	} `json:"composefs" yaml:"composefs"`
}

// ErrNotBootc means that bootc answers, and manages nothing here: a host that
// it did not boot, or a container.
var ErrNotBootc = errors.New("bootc manages no deployment of this host")

// ParseBootc reads `bootc status --json`, and the YAML form. A host without
// deployments is ErrNotBootc.
func ParseBootc(text []byte) (Status, error) {
	var in bootcHost
	var err error
	if t := bytes.TrimSpace(text); len(t) > 0 && t[0] == '{' {
		err = json.Unmarshal(t, &in)
	} else {
		err = yaml.Unmarshal(text, &in)
	}
	switch {
	case err != nil:
		return Status{}, fmt.Errorf("cannot read bootc's status: %w", err)
	case in.Kind != "BootcHost":
		return Status{}, fmt.Errorf("cannot read bootc's status: its kind is %.80q, want BootcHost", in.Kind)
	case !strings.HasPrefix(in.APIVersion, "org.containers.bootc/v1"):
		return Status{}, fmt.Errorf("cannot read bootc's status: version %.80q is not known", in.APIVersion)
	}
	s := Status{Tool: Bootc}
	var roles []string
	add := func(e *bootcEntry, as string) {
		if e == nil || err != nil {
			return
		}
		d, bad := e.deployment()
		if bad != nil {
			err = fmt.Errorf("cannot read bootc's status: the %s deployment: %w", as, bad)
			return
		}
		d.Booted, d.Staged = as == "booted", as == "staged"
		s.Deployments, roles = append(s.Deployments, d), append(roles, as)
	}
	// In boot order: a queued rollback goes before the booted one.
	st := in.Status
	add(st.Staged, "staged")
	if st.RollbackQueued {
		add(st.Rollback, "rollback")
		add(st.Booted, "booted")
	} else {
		add(st.Booted, "booted")
		add(st.Rollback, "rollback")
	}
	for i := range st.Other {
		add(&st.Other[i], "other")
	}
	if err != nil {
		return Status{}, err
	}
	if len(s.Deployments) == 0 {
		return Status{}, ErrNotBootc
	}
	mark(s.Deployments)
	for i := range s.Deployments {
		d := &s.Deployments[i]
		// bootc says itself which is the rollback: a pinned one is not, wherever
		// it stands.
		d.Rollback = roles[i] == "rollback" && !st.RollbackQueued
		if d.Booted && st.Overlay != nil {
			d.Unlocked = overlay(st.Overlay.AccessMode, st.Overlay.Persistence)
		}
	}
	if b := st.Booted; b != nil && b.CachedUpdate != nil && (b.Image == nil || b.CachedUpdate.Digest != b.Image.Digest) {
		s.Update = &Update{Version: b.CachedUpdate.Version, Timestamp: parseTime(b.CachedUpdate.Timestamp), Digest: b.CachedUpdate.Digest}
	}
	return s, nil
}

// overlay is what ostree calls a writable /usr of that kind.
func overlay(access, persistence string) string {
	switch {
	case strings.EqualFold(persistence, "persistent"):
		return "hotfix"
	case strings.EqualFold(access, "readOnly"):
		return "transient"
	}
	return "development"
}

func (e *bootcEntry) deployment() (Deployment, error) {
	d := Deployment{Pinned: e.Pinned, DownloadOnly: e.DownloadOnly}
	switch {
	case e.OSTree != nil:
		d.OSName, d.Serial, d.Checksum = e.OSTree.Stateroot, e.OSTree.Serial, e.OSTree.Checksum
		if !isChecksum(d.Checksum) || d.Serial < 0 {
			return Deployment{}, fmt.Errorf("%.80q is no commit", d.Checksum)
		}
	case e.Composefs != nil:
		d.Checksum = e.Composefs.Verity
		if len(d.Checksum) < 64 || len(d.Checksum) > 128 || !isHex(d.Checksum) {
			return Deployment{}, fmt.Errorf("%.80q is no fs-verity digest", d.Checksum)
		}
	default:
		return Deployment{}, errors.New("neither ostree nor composefs has it")
	}
	d.BaseChecksum = d.Checksum
	if i := e.Image; i != nil {
		d.Version, d.Timestamp = i.Version, parseTime(i.Timestamp)
		d.Image = &Image{Name: i.Image.Image, Transport: i.Image.Transport, Digest: i.Digest, Verification: i.Image.Signature.verification()}
	}
	return d, nil
}

func (s bootcSignature) verification() string {
	switch {
	case s == "containerPolicy":
		return "signed"
	case strings.HasPrefix(string(s), "remote:"):
		return string(s)
	case s == "insecure":
		return "unverified"
	}
	return ""
}

var (
	bootcHead  = regexp.MustCompile(`^(?:● |  )?(?:Current )?(Staged|Booted|Rollback|staged|booted|rollback|Other|Pinned)(?: (image|ostree|composefs)(?:: (\S+))?)?:?$`)
	bootcField = regexp.MustCompile(`^ +([A-Za-z/][A-Za-z /]*): (.*)$`)
)

// ParseBootcText reads what `bootc status` prints for people, since 1.1. It
// tells no commits unless asked to be verbose.
func ParseBootcText(text string) (Status, error) {
	s := Status{Tool: Bootc}
	var d *Deployment
	for n, line := range lines(text) {
		m := bootcHead.FindStringSubmatch(line)
		f := bootcField.FindStringSubmatch(line)
		switch {
		case line == "" || strings.HasPrefix(line, "No ") && strings.HasSuffix(line, " present"):
		case m != nil:
			kind := strings.ToLower(m[1])
			s.Deployments = append(s.Deployments, Deployment{Booted: kind == "booted", Staged: kind == "staged"})
			d = &s.Deployments[len(s.Deployments)-1]
			if m[3] != "" {
				d.Image = bootcName(m[3])
			}
		case d == nil || f == nil:
			return Status{}, fmt.Errorf("cannot read bootc's status: line %d: %.120q belongs to no deployment", n+1, line)
		default:
			s.bootcField(d, f[1], strings.TrimSpace(f[2]))
		}
	}
	if len(s.Deployments) == 0 {
		return Status{}, errors.New("cannot read bootc's status: it names no deployment")
	}
	mark(s.Deployments)
	return s, nil
}

func (s *Status) bootcField(d *Deployment, key, value string) {
	update := func() *Update {
		if s.Update == nil {
			s.Update = &Update{}
		}
		return s.Update
	}
	switch key {
	case "Digest", "Image digest":
		digest, _, _ := strings.Cut(value, " (")
		if d.Image != nil {
			d.Image.Digest = digest
		}
	case "Version", "Image version":
		d.Version, d.Timestamp = versionTime(value)
	case "Timestamp":
		d.Timestamp = parseTime(value)
	case "Commit", "Checksum":
		d.Checksum, d.BaseChecksum = value, value
	case "Stateroot", "StateRoot":
		d.OSName = value
	case "Pinned":
		d.Pinned = value == "yes"
	case "UpdateVersion":
		update().Version, update().Timestamp = versionTime(value)
	case "UpdateDigest":
		update().Digest = value
	case "Update":
		update()
	case "/usr overlay":
		kind, access, _ := strings.Cut(value, ", ")
		d.Unlocked = overlay(strings.ReplaceAll(access, "-", ""), kind)
		if strings.HasPrefix(access, "read-only") {
			d.Unlocked = "transient"
		}
	}
}
