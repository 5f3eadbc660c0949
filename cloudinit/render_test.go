package cloudinit

import (
	"bytes"
	"flag"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	yaml3 "go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing")

func testKey(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fullSeed uses every field that both formats can express.
func fullSeed(t testing.TB) *Seed {
	pub := testKey(t, "user_ed25519.pub")
	return &Seed{
		InstanceID: "2026-01-01", // PyYAML takes it for a date unless it is quoted
		Hostname:   "on",         // and this for true
		Users: []User{
			{
				Name: "tester", Gecos: "Test, no", Groups: []string{"wheel", "adm"}, Sudo: "ALL=(ALL) NOPASSWD:ALL",
				Shell: "/bin/bash", AuthorizedKeys: []string{pub},
			},
			{Name: "other", HashedPassword: "$6$saltsalt$abcdefghijklmnopqrstuvwxyz0123456789./", UnlockPassword: true},
		},
		KeepDefaultUser:    true,
		RootAuthorizedKeys: []string{pub},
		PasswordAuth:       true,
		HostKeys:           &HostKeys{ED25519Private: Secret(testKey(t, "host_ed25519"))},
		WriteFiles: []WriteFile{
			{Path: "/etc/motd", Content: "one\n  two: [x]\n\nthree\n", Permissions: "0600", Owner: "root:root"},
			{Path: "/etc/blob", Content: "\x00\xff\r\n"},
			{Path: "/etc/odd", Content: " leading space\ttab \nTrailing  \n\n\n# not a comment: yes\n"},
		},
		RunCmd:  [][]string{{"sh", "-c", "echo \"a b\" > /run/x; echo 'e' : # no"}, {"systemctl", "restart", "12:30:00", "0644", "yes", "~", ""}},
		Scripts: []Script{{Name: "hello.sh", Content: "#!/bin/sh\necho grüße\n"}},
		Proof:   &Proof{Path: "/var/lib/assay/proof", Text: "assay-0123456789abcdef"},

		RunCmdProof:     &Proof{Path: "/var/lib/assay/proof-runcmd", Text: "12:30:00"},
		WriteFilesProof: &Proof{Path: "/var/lib/assay/proof-write-files", Text: "1e3"},
		Network: &Network{Ethernets: map[string]Ethernet{
			"nic0": {
				Match:     &Match{MACAddress: "52:54:00:12:34:56"},
				Addresses: []string{"192.0.2.10/24", "2001:db8::10/64"}, MTU: 1400,
				Routes:      []Route{{To: "default", Via: "192.0.2.1"}, {To: "default", Via: "2001:db8::1"}, {To: "198.51.100.0/24", Via: "192.0.2.2"}},
				Nameservers: &Nameservers{Addresses: []string{"192.0.2.53", "2001:db8::53"}},
			},
			"nic1": {Match: &Match{MACAddress: "52:54:00:12:34:57"}, DHCP4: true, DHCP6: true},
		}},
		CloudConfig: map[string]any{
			"timezone": "UTC",
			"growpart": map[string]any{"mode": "auto", "devices": []any{"/"}, "ignore_growroot_disabled": false},
			"bootcmd":  []any{[]any{"echo", "0o17", "1_000", "1e3", "=", "<<"}},
		},
		Parts: []Part{{Type: "text/cloud-boothook", Name: "hook.sh", Content: "#cloud-boothook\n#!/bin/sh\ntrue\n"}},
	}
}

func minimalSeed() *Seed { return &Seed{InstanceID: "iid-1", Hostname: "plain"} }

func TestGoldenDocuments(t *testing.T) {
	for name, s := range map[string]*Seed{"full": fullSeed(t), "minimal": minimalSeed()} {
		for _, f := range Formats() {
			t.Run(name+"/"+string(f), func(t *testing.T) {
				docs, err := s.Documents(f)
				if err != nil {
					t.Fatal(err)
				}
				again, err := s.Documents(f)
				if err != nil {
					t.Fatal(err)
				}
				dir := filepath.Join("testdata", "golden", name, string(f))
				if *update {
					_ = os.RemoveAll(dir)
				}
				for i, d := range docs {
					if !bytes.Equal(d.Data, again[i].Data) {
						t.Errorf("%s differs from one rendering to the next", d.Name)
					}
					golden(t, filepath.Join(dir, filepath.FromSlash(d.Name)), d.Data)
				}
				if n := countFiles(t, dir); n != len(docs) {
					t.Errorf("%d golden files for %d documents", n, len(docs))
				}
			})
		}
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew)\n--- got\n%s\n--- want\n%s", path, got, want)
	}
}

func countFiles(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// parts splits a multi-part user-data with the standard library.
func parts(t *testing.T, data []byte) map[string]string {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	r := multipart.NewReader(msg.Body, params["boundary"])
	for {
		p, err := r.NextPart()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		if p.Header.Get("Content-Transfer-Encoding") == "base64" {
			b = unbase64(t, b)
		}
		out[p.FileName()] = string(b)
	}
}

// TestUserDataSaysTheSeed reads the documents with another YAML library.
func TestUserDataSaysTheSeed(t *testing.T) {
	s := fullSeed(t)
	docs, err := s.Documents(NoCloud)
	if err != nil {
		t.Fatal(err)
	}
	vol := &Volume{Documents: docs}
	user, _ := vol.Document("user-data")
	got := parts(t, user)
	if len(got) != 4 {
		t.Fatalf("%d parts, want 4", len(got))
	}
	if got["hello.sh"] != s.Scripts[0].Content || got["hook.sh"] != s.Parts[0].Content {
		t.Errorf("scripts came back as %q, %q", got["hello.sh"], got["hook.sh"])
	}
	if !strings.HasPrefix(got[proofPart], "#!/bin/sh\n") || !strings.Contains(got[proofPart], s.Proof.Text) {
		t.Errorf("proof script is %q", got[proofPart])
	}
	config := got[cloudConfigPart]
	if !strings.HasPrefix(config, "#cloud-config\n") {
		t.Errorf("cloud-config starts with %.20q", config)
	}
	var c struct {
		WriteFiles []struct{ Path, Content, Encoding, Permissions string } `yaml:"write_files"`
		RunCmd     [][]any                                                 `yaml:"runcmd"`
		BootCmd    [][]any                                                 `yaml:"bootcmd"`
		SSHKeys    map[string]string                                       `yaml:"ssh_keys"`
		DeleteKeys *bool                                                   `yaml:"ssh_deletekeys"`
		Root       bool                                                    `yaml:"disable_root"`
		Users      []any                                                   `yaml:"users"`
	}
	if err := yaml3.Unmarshal([]byte(config), &c); err != nil {
		t.Fatal(err)
	}
	for i, a := range s.RunCmd[1] {
		if c.RunCmd[1][i] != any(a) {
			t.Errorf("argument %q came back as %#v", a, c.RunCmd[1][i])
		}
	}
	if c.RunCmd[0][2] != any(s.RunCmd[0][2]) {
		t.Errorf("argument %q came back as %#v", s.RunCmd[0][2], c.RunCmd[0][2])
	}
	if c.WriteFiles[0].Content != s.WriteFiles[0].Content || c.WriteFiles[0].Permissions != "0600" || c.WriteFiles[2].Content != s.WriteFiles[2].Content {
		t.Errorf("write_files came back as %+v", c.WriteFiles)
	}
	if f := c.WriteFiles[3]; f.Path != s.WriteFilesProof.Path || f.Content != "1e3\n" || f.Permissions != "0644" || f.Encoding != "" {
		t.Errorf("the proof of write_files came back as %+v", f)
	}
	if len(s.RunCmd) != 2 || len(c.RunCmd) != 3 || c.RunCmd[2][0] != any("sh") || c.RunCmd[2][2] != any(s.RunCmdProof.command()[2]) {
		t.Errorf("the proof of runcmd came back as %#v", c.RunCmd)
	}
	if b := unbase64(t, []byte(c.WriteFiles[1].Content)); c.WriteFiles[1].Encoding != "b64" || string(b) != s.WriteFiles[1].Content {
		t.Errorf("binary file came back as %q", b)
	}
	if c.SSHKeys["ed25519_private"] != testKey(t, "host_ed25519") {
		t.Error("the host key came back changed")
	}
	if c.DeleteKeys == nil || *c.DeleteKeys || c.Root {
		t.Errorf("ssh settings came back as %v %v", c.DeleteKeys, c.Root)
	}
	if c.Users[0] != any("default") || len(c.Users) != 3 {
		t.Errorf("users came back as %v", c.Users)
	}
	meta, _ := vol.Document("meta-data")
	var m map[string]any
	if err := yaml3.Unmarshal(meta, &m); err != nil || m["instance-id"] != any("2026-01-01") || m["local-hostname"] != any("on") {
		t.Errorf("meta-data came back as %v, %v", m, err)
	}
}

// A route of a card with DHCP can be said in both formats.
func TestRouteBesideDHCP(t *testing.T) {
	s := minimalSeed()
	s.Network = &Network{Ethernets: map[string]Ethernet{"nic0": {
		Match: &Match{MACAddress: "52:54:00:12:34:56"}, DHCP4: true,
		Routes: []Route{{To: "198.51.100.0/24", Via: "192.0.2.1"}},
	}}}
	for _, c := range []struct {
		format Format
		name   string
		want   []string
	}{
		{NoCloud, "network-config", []string{"dhcp4: true", `to: "198.51.100.0/24"`}},
		{ConfigDrive, "openstack/latest/network_data.json", []string{`"type": "ipv4_dhcp"`, `"network": "198.51.100.0"`, `"gateway": "192.0.2.1"`}},
	} {
		docs, err := s.Documents(c.format)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(docs, func(d Document) bool { return d.Name == c.name })
		if i < 0 {
			t.Fatalf("%s has no %s: %v", c.format, c.name, docs)
		}
		for _, want := range c.want {
			if !bytes.Contains(docs[i].Data, []byte(want)) {
				t.Errorf("%s lacks %q:\n%s", c.name, want, docs[i].Data)
			}
		}
	}
}

// The command that leaves runcmd's proof, run.
func TestRunCmdLeavesItsProof(t *testing.T) {
	p := Proof{Path: filepath.Join(t.TempDir(), "new", "proof"), Text: "assay-1"}
	c := p.command()
	if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if b, err := os.ReadFile(p.Path); err != nil || string(b) != "assay-1\n" {
		t.Errorf("%q, %v", b, err)
	}
}
