package cloudinit

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"
)

// Bounds of a seed. They are far above what a person writes and keep a hostile
// seed from filling a disk.
const (
	// MaxDocument bounds each rendered document, in bytes. OpenStack itself
	// takes 64 KiB of user data; a NoCloud seed has no limit of its own.
	MaxDocument = 1 << 20
	maxList     = 256
	maxLine     = 1024
	maxAuthLine = 16 << 10
)

var (
	reInstanceID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	reLabel      = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
	// reAccount is the default of shadow's useradd for users and groups.
	reAccount     = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	reFileName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	rePermissions = regexp.MustCompile(`^0?[0-7]{3,4}$`)
	reOwner       = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}(:[A-Za-z_][A-Za-z0-9_.-]{0,31})?$`)
	// reCrypt is a crypt(3) hash with a named method.
	reCrypt     = regexp.MustCompile(`^\$[0-9a-z]{1,8}\$[A-Za-z0-9./$,=*+-]{8,400}$`)
	reProofPath = regexp.MustCompile(`^(/[A-Za-z0-9_][A-Za-z0-9._-]*){2,}$`)
	reProofText = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$`)
	reConfigKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)
)

// Validate says everything that is wrong with the seed, as InputErrors joined;
// nil when it can be rendered. Rendering calls it.
func (s *Seed) Validate() error {
	var p problems
	switch {
	case s.InstanceID == "":
		p.add("instance_id", "is missing")
	case !reInstanceID.MatchString(s.InstanceID):
		p.add("instance_id", "%.60q is not an instance id: want up to 128 letters, digits, '.', '_' and '-'", s.InstanceID)
	}
	if s.Hostname == "" {
		p.add("hostname", "is missing")
	} else if err := checkHostname(s.Hostname); err != nil {
		p.add("hostname", "%v", err)
	}
	s.validateUsers(&p)
	if s.HostKeys != nil {
		s.HostKeys.validate(&p)
	}
	s.validateWork(&p)
	s.validateRaw(&p)
	if s.Network != nil {
		s.Network.validate(&p, "network")
	}
	return p.err()
}

func (s *Seed) validateUsers(p *problems) {
	tooMany(p, "users", len(s.Users))
	seen := map[string]bool{}
	for i, u := range s.Users {
		if i == maxList {
			break
		}
		at := fmt.Sprintf("users[%d]", i)
		if !reAccount.MatchString(u.Name) {
			p.add(at+".name", "%.60q is not a user name: want a lower case letter or '_', then up to 31 of those, digits and '-'", u.Name)
		}
		if seen[u.Name] {
			p.add(at+".name", "%q is there twice", u.Name)
		}
		seen[u.Name] = true
		oneLine(p, at+".gecos", u.Gecos)
		if strings.Contains(u.Gecos, ":") {
			p.add(at+".gecos", "holds a colon, which ends a field of /etc/passwd")
		}
		oneLine(p, at+".sudo", u.Sudo)
		tooMany(p, at+".groups", len(u.Groups))
		for j, g := range u.Groups {
			if !reAccount.MatchString(g) {
				p.add(fmt.Sprintf("%s.groups[%d]", at, j), "%.60q is not a group name", g)
			}
		}
		if u.Shell != "" {
			checkPath(p, at+".shell", u.Shell)
		}
		checkKeys(p, at+".ssh_authorized_keys", u.AuthorizedKeys)
		if h := u.HashedPassword.Reveal(); h != "" && !reCrypt.MatchString(h) {
			p.add(at+".hashed_passwd", "is not a crypt(3) hash such as `openssl passwd -6` prints")
		}
		if u.UnlockPassword && u.HashedPassword == "" {
			p.add(at+".unlock_passwd", "an unlocked account needs hashed_passwd; without it anybody may log in")
		}
	}
	checkKeys(p, "root_authorized_keys", s.RootAuthorizedKeys)
}

func (s *Seed) validateWork(p *problems) {
	tooMany(p, "write_files", len(s.WriteFiles))
	for i, f := range s.WriteFiles {
		at := fmt.Sprintf("write_files[%d]", i)
		checkPath(p, at+".path", f.Path)
		if f.Permissions != "" && !rePermissions.MatchString(f.Permissions) {
			p.add(at+".permissions", "%.20q is not an octal mode such as '0644'", f.Permissions)
		}
		if f.Owner != "" && !reOwner.MatchString(f.Owner) {
			p.add(at+".owner", "%.60q is not user or user:group", f.Owner)
		}
	}
	tooMany(p, "runcmd", len(s.RunCmd))
	for i, c := range s.RunCmd {
		at := fmt.Sprintf("runcmd[%d]", i)
		if len(c) == 0 || c[0] == "" {
			p.add(at, "names no program")
		}
		tooMany(p, at, len(c))
		for j, a := range c {
			if !utf8.ValidString(a) || strings.ContainsRune(a, 0) {
				p.add(fmt.Sprintf("%s[%d]", at, j), "is not UTF-8 text without NUL")
			}
		}
	}
	s.Proof.validate(p, "proof")
	s.RunCmdProof.validate(p, "runcmd_proof")
	s.WriteFilesProof.validate(p, "write_files_proof")
}

func (f *Proof) validate(p *problems, at string) {
	if f == nil {
		return
	}
	if !reProofPath.MatchString(f.Path) || path.Clean(f.Path) != f.Path {
		p.add(at+".path", "%.60q is not an absolute path of letters, digits, '.', '_', '-' below a folder", f.Path)
	}
	if !reProofText.MatchString(f.Text) {
		p.add(at+".text", "%.60q is not one word of letters, digits, '.', '_', ':' and '-'", f.Text)
	}
}

func (s *Seed) validateRaw(p *problems) {
	names := map[string]string{cloudConfigPart: "the seed's own cloud-config"}
	if s.Proof != nil {
		names[proofPart] = "the seed's own proof script"
	}
	name := func(at, n string) {
		if !reFileName.MatchString(n) {
			p.add(at, "%.60q is not a file name of letters, digits, '.', '_' and '-'", n)
		} else if of := names[n]; of != "" {
			p.add(at, "%q is the name of %s", n, of)
		}
		names[n] = at
	}
	tooMany(p, "scripts", len(s.Scripts))
	for i, c := range s.Scripts {
		at := fmt.Sprintf("scripts[%d]", i)
		name(at+".name", c.Name)
		if !strings.HasPrefix(c.Content, "#!") {
			p.add(at+".content", "does not start with #!, so the guest could not run it")
		}
		text(p, at+".content", c.Content)
	}
	tooMany(p, "parts", len(s.Parts))
	for i, c := range s.Parts {
		at := fmt.Sprintf("parts[%d]", i)
		name(at+".name", c.Name)
		if mt, params, err := mime.ParseMediaType(c.Type); err != nil || len(params) > 0 || !strings.HasPrefix(mt, "text/") {
			p.add(at+".type", "%.60q is not a text media type such as text/x-shellscript", c.Type)
		}
		text(p, at+".content", c.Content)
	}
	tooMany(p, "cloud_config", len(s.CloudConfig))
	for _, k := range sortedKeys(s.CloudConfig) {
		if !reConfigKey.MatchString(k) {
			p.add("cloud_config", "%.60q is not a key of cloud-config", k)
		} else if ownKeys[k] != "" {
			p.add("cloud_config."+k, "is written by the seed itself; use %s", ownKeys[k])
		}
	}
}

func (h *HostKeys) validate(p *problems) {
	const at = "host_keys.ed25519_private"
	signer, err := h.signer()
	var miss *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &miss):
		p.add(at, "is encrypted; a guest cannot be asked for a passphrase")
		return
	case err != nil:
		// The library's text may quote nothing of the key, but that is not promised.
		p.add(at, "is not an OpenSSH private key")
		return
	case signer.PublicKey().Type() != ssh.KeyAlgoED25519:
		p.add(at, "is of type %s, want %s", signer.PublicKey().Type(), ssh.KeyAlgoED25519)
		return
	}
	if h.ED25519Public == "" {
		return
	}
	pub, err := parseAuthorizedKey(h.ED25519Public)
	if err != nil {
		p.add("host_keys.ed25519_public", "%v", err)
	} else if !bytes.Equal(pub.Marshal(), signer.PublicKey().Marshal()) {
		p.add("host_keys.ed25519_public", "does not belong to the private key")
	}
}

func (h *HostKeys) signer() (ssh.Signer, error) {
	if len(h.ED25519Private) > maxAuthLine {
		return nil, errors.New("too long")
	}
	return ssh.ParsePrivateKey([]byte(h.ED25519Private.Reveal()))
}

func checkHostname(name string) error {
	if len(name) > 253 {
		return fmt.Errorf("a name of %d bytes, more than 253", len(name))
	}
	for label := range strings.SplitSeq(name, ".") {
		if !reLabel.MatchString(label) {
			return fmt.Errorf("%.60q is not a host name: want labels of up to 63 letters, digits and inner '-'", name)
		}
	}
	return nil
}

func checkPath(p *problems, at, s string) {
	if !path.IsAbs(s) || path.Clean(s) != s || s == "/" || !printable(s) || len(s) > maxLine {
		p.add(at, "%.60q is not a clean absolute path", s)
	}
}

func checkKeys(p *problems, at string, keys []string) {
	tooMany(p, at, len(keys))
	for i, k := range keys {
		if i == maxList {
			return
		}
		if _, err := parseAuthorizedKey(k); err != nil {
			p.add(fmt.Sprintf("%s[%d]", at, i), "%v", err)
		}
	}
}

// parseAuthorizedKey accepts exactly one public key line, without options:
// an option such as command= would be a back door that nobody sees in a report.
func parseAuthorizedKey(line string) (ssh.PublicKey, error) {
	if len(line) > maxAuthLine {
		return nil, fmt.Errorf("a public key line of %d bytes, more than %d", len(line), maxAuthLine)
	}
	line = strings.TrimSuffix(line, "\n")
	if strings.ContainsAny(line, "\n\r\x00") || !utf8.ValidString(line) {
		return nil, errors.New("is more than one line of text")
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if strings.Contains(line, "PRIVATE KEY") {
		return nil, errors.New("is a private key; want the public one")
	}
	if err != nil {
		return nil, fmt.Errorf("%.40q is not an SSH public key line", line)
	}
	if len(options) > 0 {
		return nil, fmt.Errorf("carries options (%.40q), which a seed does not take", options[0])
	}
	return key, nil
}

func oneLine(p *problems, at, s string) {
	if len(s) > maxLine || !printable(s) {
		p.add(at, "is not one printable line of up to %d bytes", maxLine)
	}
}

func text(p *problems, at, s string) {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		p.add(at, "is not UTF-8 text without NUL")
	}
	if len(s) > MaxDocument {
		p.add(at, "%d bytes, more than %d", len(s), MaxDocument)
	}
}

func tooMany(p *problems, at string, n int) {
	if n > maxList {
		p.add(at, "%d entries, more than %d", n, maxList)
	}
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff
	}) < 0
}
