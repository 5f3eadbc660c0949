package cloudinit

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestValidateRefuses(t *testing.T) {
	pub := testKey(t, "user_ed25519.pub")
	cases := map[string]struct {
		change func(*Seed)
		field  string
	}{
		"no instance id":       {func(s *Seed) { s.InstanceID = "" }, "instance_id"},
		"instance id escapes":  {func(s *Seed) { s.InstanceID = "../../etc" }, "instance_id"},
		"long instance id":     {func(s *Seed) { s.InstanceID = strings.Repeat("a", 129) }, "instance_id"},
		"no hostname":          {func(s *Seed) { s.Hostname = "" }, "hostname"},
		"hostname with line":   {func(s *Seed) { s.Hostname = "a\nb" }, "hostname"},
		"hostname underscore":  {func(s *Seed) { s.Hostname = "a_b" }, "hostname"},
		"hostname empty label": {func(s *Seed) { s.Hostname = "a..b" }, "hostname"},
		"long label":           {func(s *Seed) { s.Hostname = strings.Repeat("a", 64) }, "hostname"},
		"long name":            {func(s *Seed) { s.Hostname = strings.Repeat("a.", 127) + "a" }, "hostname"},
		"user with colon":      {func(s *Seed) { s.Users[0].Name = "a:b" }, "users[0].name"},
		"user like an option":  {func(s *Seed) { s.Users[0].Name = "-rf" }, "users[0].name"},
		"user twice":           {func(s *Seed) { s.Users = append(s.Users, s.Users[0]) }, "users[1].name"},
		"gecos colon":          {func(s *Seed) { s.Users[0].Gecos = "x:0:0" }, "users[0].gecos"},
		"sudo with lines":      {func(s *Seed) { s.Users[0].Sudo = "ALL\nother ALL" }, "users[0].sudo"},
		"group":                {func(s *Seed) { s.Users[0].Groups = []string{"a,b"} }, "users[0].groups[0]"},
		"relative shell":       {func(s *Seed) { s.Users[0].Shell = "bash" }, "users[0].shell"},
		"plain password":       {func(s *Seed) { s.Users[0].HashedPassword = "hunter2" }, "users[0].hashed_passwd"},
		"open account":         {func(s *Seed) { s.Users[0].UnlockPassword = true }, "users[0].unlock_passwd"},
		"key with options":     {func(s *Seed) { s.Users[0].AuthorizedKeys = []string{`command="id" ` + pub} }, "users[0].ssh_authorized_keys[0]"},
		"two keys in a line":   {func(s *Seed) { s.Users[0].AuthorizedKeys = []string{pub + pub} }, "users[0].ssh_authorized_keys[0]"},
		"not a key":            {func(s *Seed) { s.RootAuthorizedKeys = []string{"ssh-ed25519 AAAA"} }, "root_authorized_keys[0]"},
		"private as public":    {func(s *Seed) { s.RootAuthorizedKeys = []string{testKey(t, "user_ed25519")} }, "root_authorized_keys[0]"},
		"encrypted host key":   {func(s *Seed) { s.HostKeys = &HostKeys{ED25519Private: Secret(testKey(t, "encrypted_ed25519"))} }, "host_keys.ed25519_private"},
		"other host key type":  {func(s *Seed) { s.HostKeys = &HostKeys{ED25519Private: Secret(testKey(t, "ecdsa"))} }, "host_keys.ed25519_private"},
		"damaged host key":     {func(s *Seed) { s.HostKeys = &HostKeys{ED25519Private: "x"} }, "host_keys.ed25519_private"},
		"keys do not belong": {func(s *Seed) {
			s.HostKeys = &HostKeys{ED25519Private: Secret(testKey(t, "host_ed25519")), ED25519Public: pub}
		}, "host_keys.ed25519_public"},
		"file path":         {func(s *Seed) { s.WriteFiles = []WriteFile{{Path: "/etc/../x"}} }, "write_files[0].path"},
		"file mode":         {func(s *Seed) { s.WriteFiles = []WriteFile{{Path: "/x", Permissions: "u+x"}} }, "write_files[0].permissions"},
		"file owner":        {func(s *Seed) { s.WriteFiles = []WriteFile{{Path: "/x", Owner: "a b"}} }, "write_files[0].owner"},
		"empty command":     {func(s *Seed) { s.RunCmd = [][]string{{}} }, "runcmd[0]"},
		"NUL in command":    {func(s *Seed) { s.RunCmd = [][]string{{"a\x00"}} }, "runcmd[0][0]"},
		"script no shebang": {func(s *Seed) { s.Scripts = []Script{{"a", "echo"}} }, "scripts[0].content"},
		"script path":       {func(s *Seed) { s.Scripts = []Script{{"../a", "#!/bin/sh"}} }, "scripts[0].name"},
		"same name": {func(s *Seed) {
			s.Scripts = []Script{{"a", "#!"}}
			s.Parts = []Part{{Type: "text/plain", Name: "a"}}
		}, "parts[0].name"},
		"own name":         {func(s *Seed) { s.Scripts = []Script{{cloudConfigPart, "#!"}} }, "scripts[0].name"},
		"part type breaks": {func(s *Seed) { s.Parts = []Part{{Type: "text/plain\nX: y", Name: "a"}} }, "parts[0].type"},
		"part type":        {func(s *Seed) { s.Parts = []Part{{Type: "image/png", Name: "a"}} }, "parts[0].type"},
		"own key":          {func(s *Seed) { s.CloudConfig = map[string]any{"users": nil} }, "cloud_config.users"},
		"odd key":          {func(s *Seed) { s.CloudConfig = map[string]any{"a\nb": nil} }, "cloud_config"},
		"proof path":       {func(s *Seed) { s.Proof = &Proof{"/var/x; reboot", "x"} }, "proof.path"},
		"command's proof":  {func(s *Seed) { s.RunCmdProof = &Proof{"/var/x", "$(id)"} }, "runcmd_proof.text"},
		"file's proof":     {func(s *Seed) { s.WriteFilesProof = &Proof{"/x", "x"} }, "write_files_proof.path"},
		"proof at root":    {func(s *Seed) { s.Proof = &Proof{"/x", "x"} }, "proof.path"},
		"proof text":       {func(s *Seed) { s.Proof = &Proof{"/var/x", "$(id)"} }, "proof.text"},
		"too many users":   {func(s *Seed) { s.Users = make([]User, 300) }, "users"},
		"empty network":    {func(s *Seed) { s.Network = &Network{} }, "network.ethernets"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := minimalSeed()
			s.Users = []User{{Name: "tester"}}
			c.change(s)
			err := s.Validate()
			if err == nil {
				t.Fatal("accepted")
			}
			if !hasField(err, c.field) {
				t.Errorf("got %v, want a fault of %s", err, c.field)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "OPENSSH") {
				t.Errorf("the error tells a secret: %v", err)
			}
			if _, err := s.Documents(NoCloud); err == nil {
				t.Error("rendered all the same")
			}
		})
	}
}

func hasField(err error, field string) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return false
	}
	for _, one := range joined.Unwrap() {
		var e *InputError
		if errors.As(one, &e) && e.Field == field {
			return true
		}
	}
	return false
}

func TestNetworkRefuses(t *testing.T) {
	mac := &Match{MACAddress: "52:54:00:12:34:56"}
	cases := map[string]map[string]Ethernet{
		"no interface name": {"a name": {}},
		"long name":         {strings.Repeat("e", 16): {DHCP4: true}},
		"rename by name":    {"eth0": {SetName: "eth1"}},
		"empty match":       {"n": {Match: &Match{}}},
		"bad MAC":           {"n": {Match: &Match{MACAddress: "52:54"}}},
		"address alone":     {"n": {Match: mac, Addresses: []string{"192.0.2.1"}}},
		"bad via":           {"n": {Match: mac, Routes: []Route{{"default", "gw", 0}}}},
		"mixed families":    {"n": {Match: mac, Routes: []Route{{"2001:db8::/32", "192.0.2.1", 0}}}},
		"bad MTU":           {"n": {Match: mac, MTU: 12}},
		"bad DNS":           {"n": {Match: mac, Nameservers: &Nameservers{Addresses: []string{"dns.example"}}}},
		"bad search":        {"n": {Match: mac, Nameservers: &Nameservers{Search: []string{"a b"}}}},
		"bad driver":        {"n": {Match: &Match{Driver: "a b"}}},
	}
	for name, nics := range cases {
		s := minimalSeed()
		s.Network = &Network{Ethernets: nics}
		if err := s.Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestConfigDriveRefusesWhatItCannotSay(t *testing.T) {
	mac := &Match{MACAddress: "52:54:00:12:34:56"}
	for name, e := range map[string]Ethernet{
		"by name":    {DHCP4: true},
		"rename":     {Match: mac, SetName: "eth1"},
		"search":     {Match: mac, Nameservers: &Nameservers{Search: []string{"example.test"}}},
		"metric":     {Match: mac, Addresses: []string{"192.0.2.1/24"}, Routes: []Route{{"default", "192.0.2.2", 5}}},
		"route only": {Match: mac, DHCP6: true, Routes: []Route{{"default", "192.0.2.2", 0}}},
	} {
		s := minimalSeed()
		s.Network = &Network{Ethernets: map[string]Ethernet{"eth0": e}}
		if _, err := s.Documents(NoCloud); err != nil {
			t.Errorf("%s: NoCloud: %v", name, err)
		}
		if _, err := s.Documents(ConfigDrive); err == nil {
			t.Errorf("%s: accepted in a config drive", name)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	seed, secrets, err := New(Options{Hostname: "h", Rand: rand.Reader, RootLogin: true})
	if err != nil {
		t.Fatal(err)
	}
	seed.Users[0].HashedPassword = "$6$saltsalt$hunter2hunter2"
	docs, err := seed.Documents(NoCloud)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	log := slog.New(slog.NewJSONHandler(&b, nil))
	text := slog.New(slog.NewTextHandler(&b, nil))
	for _, v := range []any{seed, *seed, seed.HostKeys, *seed.HostKeys, seed.Users, secrets, docs, docs[0], seed.HostKeys.ED25519Private, secrets.UserKey} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&b, verb+"\n", v)
		}
		log.Info("x", "v", v)
		text.Info("x", "v", v)
	}
	j, err := json.Marshal(seed)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(j)
	for _, s := range []string{seed.HostKeys.ED25519Private.Reveal(), secrets.UserKey.Reveal(), "hunter2"} {
		body := strings.Split(s, "\n")
		probe := body[len(body)/2]
		for _, form := range []string{probe, fmt.Sprintf("%x", probe), strings.Trim(fmt.Sprint([]byte(probe)), "[]")} {
			if strings.Contains(b.String(), form) {
				t.Errorf("a secret was printed (%.20s...)", form)
			}
		}
	}
}

// zeros is a poor source of randomness: it shows what depends on it.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestNew(t *testing.T) {
	seed, secrets, err := New(Options{Hostname: "guest-1", Rand: rand.Reader, Groups: []string{"wheel"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := seed.Validate(); err != nil {
		t.Fatal(err)
	}
	host, err := ssh.ParsePrivateKey([]byte(seed.HostKeys.ED25519Private.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	if string(host.PublicKey().Marshal()) != string(secrets.HostKey.Marshal()) {
		t.Error("the host key is not the one that is promised")
	}
	user, err := ssh.ParsePrivateKey([]byte(secrets.UserKey.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	if string(user.PublicKey().Marshal()) != string(secrets.Signer.PublicKey().Marshal()) {
		t.Error("the user's PEM is another key than the signer")
	}
	if seed.Users[0].AuthorizedKeys[0] != secrets.AuthorizedKey || !strings.HasPrefix(secrets.AuthorizedKey, "ssh-ed25519 ") {
		t.Errorf("the user is let in by %q", seed.Users[0].AuthorizedKeys)
	}
	if len(seed.RootAuthorizedKeys) != 0 || seed.PasswordAuth {
		t.Error("root or passwords are let in unasked")
	}
	again, other, err := New(Options{Hostname: "guest-1", Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if again.InstanceID == seed.InstanceID || again.Proof.Text == seed.Proof.Text || other.HostKeyLine == secrets.HostKeyLine || other.AuthorizedKey == secrets.AuthorizedKey {
		t.Error("two seeds share what has to be fresh")
	}
	texts := map[string]bool{}
	for _, p := range []*Proof{seed.Proof, seed.RunCmdProof, seed.WriteFilesProof, again.RunCmdProof, again.WriteFilesProof} {
		texts[p.Text] = true
	}
	if len(texts) != 5 || seed.RunCmdProof.Path != "/var/lib/assay/proof-runcmd" || seed.WriteFilesProof.Path != "/var/lib/assay/proof-write-files" {
		t.Errorf("proofs are not of their own: %v, %v, %v", seed.Proof, seed.RunCmdProof, seed.WriteFilesProof)
	}
	a, sa, err := New(Options{Hostname: "h", Rand: zeros{}})
	if err != nil {
		t.Fatal(err)
	}
	b, sb, err := New(Options{Hostname: "h", Rand: zeros{}})
	if err != nil {
		t.Fatal(err)
	}
	if a.InstanceID != b.InstanceID || sa.AuthorizedKey != sb.AuthorizedKey || sa.HostKeyLine != sb.HostKeyLine {
		t.Error("the same randomness gives another seed")
	}
	if _, _, err := New(Options{Hostname: "h"}); err == nil {
		t.Error("no randomness is accepted")
	}
	if _, _, err := New(Options{Hostname: "h", Rand: strings.NewReader("short")}); err == nil {
		t.Error("too little randomness is accepted")
	}
	if _, _, err := New(Options{Hostname: "a b", Rand: rand.Reader}); err == nil {
		t.Error("a bad hostname is accepted")
	}
}
