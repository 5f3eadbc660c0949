package cloudinit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"golang.org/x/crypto/ssh"
)

const (
	cloudConfigHeader = "#cloud-config\n"
	cloudConfigPart   = "cloud-config.yaml"
	proofPart         = "assay-proof.sh"
)

// ownKeys are the cloud-config keys that the seed's fields write.
var ownKeys = map[string]string{
	"users": "users", "disable_root": "root_authorized_keys", "ssh_authorized_keys": "root_authorized_keys",
	"ssh_pwauth": "ssh_pwauth", "ssh_deletekeys": "host_keys", "ssh_genkeytypes": "host_keys", "ssh_keys": "host_keys",
	"write_files": "write_files", "runcmd": "runcmd", "hostname": "hostname", "fqdn": "hostname", "preserve_hostname": "hostname",
}

// cloudConfig is the document's shape.
// Source: cloud-init's documentation, "Module reference".
type cloudConfig struct {
	PreserveHostname  bool        `yaml:"preserve_hostname"`
	Users             []any       `yaml:"users,omitempty"`
	DisableRoot       bool        `yaml:"disable_root"`
	SSHAuthorizedKeys []string    `yaml:"ssh_authorized_keys,omitempty"`
	SSHPwAuth         bool        `yaml:"ssh_pwauth"`
	SSHDeleteKeys     *bool       `yaml:"ssh_deletekeys,omitempty"`
	SSHKeys           *sshKeys    `yaml:"ssh_keys,omitempty"`
	WriteFiles        []writeFile `yaml:"write_files,omitempty"`
	RunCmd            [][]string  `yaml:"runcmd,omitempty"`
}

type cloudUser struct {
	Name              string   `yaml:"name"`
	Gecos             string   `yaml:"gecos,omitempty"`
	Groups            []string `yaml:"groups,omitempty"`
	Sudo              string   `yaml:"sudo,omitempty"`
	Shell             string   `yaml:"shell,omitempty"`
	LockPasswd        bool     `yaml:"lock_passwd"`
	Passwd            string   `yaml:"passwd,omitempty"`
	SSHAuthorizedKeys []string `yaml:"ssh_authorized_keys,omitempty"`
}

type sshKeys struct {
	Private string `yaml:"ed25519_private"`
	Public  string `yaml:"ed25519_public"`
}

type writeFile struct {
	Path        string `yaml:"path"`
	Permissions string `yaml:"permissions"`
	Owner       string `yaml:"owner,omitempty"`
	Encoding    string `yaml:"encoding,omitempty"`
	Content     string `yaml:"content"`
}

func (s *Seed) cloudConfig() ([]byte, error) {
	doc := cloudConfig{
		DisableRoot: len(s.RootAuthorizedKeys) == 0, SSHPwAuth: s.PasswordAuth,
		SSHAuthorizedKeys: trimLines(s.RootAuthorizedKeys), RunCmd: s.RunCmd,
	}
	if s.KeepDefaultUser {
		doc.Users = append(doc.Users, "default")
	}
	for _, u := range s.Users {
		doc.Users = append(doc.Users, cloudUser{
			Name: u.Name, Gecos: u.Gecos, Groups: u.Groups, Sudo: u.Sudo, Shell: u.Shell,
			LockPasswd: !u.UnlockPassword, Passwd: u.HashedPassword.Reveal(), SSHAuthorizedKeys: trimLines(u.AuthorizedKeys),
		})
	}
	if s.HostKeys != nil {
		keys, err := s.HostKeys.render()
		if err != nil {
			return nil, err
		}
		// With ssh_keys there, cloud-init makes no keys, so ssh_genkeytypes is not
		// needed; an empty list of it breaks cloud-init's schema, and it warns.
		keep := false
		doc.SSHDeleteKeys, doc.SSHKeys = &keep, keys
	}
	for _, f := range s.WriteFiles {
		doc.WriteFiles = append(doc.WriteFiles, f.render())
	}
	if p := s.WriteFilesProof; p != nil {
		f := WriteFile{Path: p.Path, Content: p.Text + "\n"}
		doc.WriteFiles = append(doc.WriteFiles, f.render())
	}
	if p := s.RunCmdProof; p != nil {
		doc.RunCmd = append(slices.Clip(doc.RunCmd), p.command())
	}
	body, err := marshalYAML(doc)
	if err != nil {
		return nil, err
	}
	if len(s.CloudConfig) > 0 {
		extra := make(yaml.MapSlice, 0, len(s.CloudConfig))
		for _, k := range sortedKeys(s.CloudConfig) {
			extra = append(extra, yaml.MapItem{Key: k, Value: s.CloudConfig[k]})
		}
		more, err := marshalYAML(extra)
		if err != nil {
			return nil, &InputError{Field: "cloud_config", Err: err}
		}
		// Two block mappings without a common key (Validate saw to that) are one.
		body = append(body, more...)
	}
	return append([]byte(cloudConfigHeader), body...), nil
}

func (h *HostKeys) render() (*sshKeys, error) {
	signer, err := h.signer()
	if err != nil {
		return nil, &InputError{Field: "host_keys", Err: fmt.Errorf("is not an OpenSSH private key")}
	}
	public := h.ED25519Public
	if public == "" {
		public = string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
	}
	return &sshKeys{
		Private: strings.TrimRight(h.ED25519Private.Reveal(), "\n") + "\n",
		Public:  strings.TrimSuffix(public, "\n"),
	}, nil
}

func (f *WriteFile) render() writeFile {
	w := writeFile{Path: f.Path, Permissions: f.Permissions, Owner: f.Owner, Content: f.Content}
	if w.Permissions == "" {
		w.Permissions = "0644"
	}
	if !utf8.ValidString(f.Content) || strings.ContainsAny(f.Content, "\x00\r") {
		w.Encoding, w.Content = "b64", base64.StdEncoding.EncodeToString([]byte(f.Content))
	}
	return w
}

// script is what leaves the proof. Both values were checked to hold nothing
// that a shell reads. The rename makes the proof whole or absent.
func (p *Proof) script() string {
	return "#!/bin/sh\nset -eu\nproof=" + p.Path + "\ntext=" + p.Text + `
umask 022
mkdir -p "${proof%/*}"
printf '%s\n' "$text" > "$proof.new"
mv -f "$proof.new" "$proof"
`
}

// command leaves the proof as script does, in one line: old versions of cloud-init
// write all commands into one script.
func (p *Proof) command() []string {
	return []string{"sh", "-c", fmt.Sprintf("umask 022 && mkdir -p %s && echo %s > %s.new && mv -f %s.new %s", path.Dir(p.Path), p.Text, p.Path, p.Path, p.Path)}
}

// userData is the cloud-config alone, or a multi-part of it and the rest.
func (s *Seed) userData() ([]byte, error) {
	config, err := s.cloudConfig()
	if err != nil {
		return nil, err
	}
	parts := []Part{{Type: "text/cloud-config", Name: cloudConfigPart, Content: string(config)}}
	parts = append(parts, s.Parts...)
	for _, c := range s.Scripts {
		parts = append(parts, Part{Type: "text/x-shellscript", Name: c.Name, Content: c.Content})
	}
	if s.Proof != nil {
		parts = append(parts, Part{Type: "text/x-shellscript", Name: proofPart, Content: s.Proof.script()})
	}
	if len(parts) == 1 {
		return config, nil
	}
	return writeMultipart(parts), nil
}

// writeMultipart writes RFC 2046 multipart/mixed. The standard library's writer ends
// header lines with CR LF and body lines not; cloud-init hands the whole to a
// text parser, so here every line ends the same way, with LF.
// The boundary is a digest of the parts: the same seed gives the same bytes.
func writeMultipart(parts []Part) []byte {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d %s %d %s %d %s", len(p.Type), p.Type, len(p.Name), p.Name, len(p.Content), p.Content)
	}
	boundary := "==assay-" + hex.EncodeToString(h.Sum(nil))[:32] + "=="

	var b bytes.Buffer
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%q\nMIME-Version: 1.0\n\n", boundary)
	for _, p := range parts {
		body, coding := p.Content, "7bit"
		if !is7bit(body) {
			body, coding = wrapBase64(body), "base64"
		}
		fmt.Fprintf(&b, "--%s\nContent-Type: %s; charset=\"utf-8\"\nMIME-Version: 1.0\nContent-Transfer-Encoding: %s\nContent-Disposition: attachment; filename=%q\n\n",
			boundary, p.Type, coding, p.Name)
		b.WriteString(body)
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "--%s--\n", boundary)
	return b.Bytes()
}

// is7bit says whether a text survives MIME without coding: ASCII, LF line ends,
// lines under the 998 bytes of RFC 5322.
func is7bit(s string) bool {
	for line := range strings.SplitSeq(s, "\n") {
		if len(line) > 998 {
			return false
		}
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return r >= 0x7f || r < ' ' && r != '\n' && r != '\t'
	}) < 0
}

func wrapBase64(s string) string {
	enc := base64.StdEncoding.EncodeToString([]byte(s))
	var b strings.Builder
	for len(enc) > 76 {
		b.WriteString(enc[:76] + "\n")
		enc = enc[76:]
	}
	b.WriteString(enc)
	return b.String()
}

func trimLines(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.TrimSuffix(l, "\n")
	}
	return out
}
