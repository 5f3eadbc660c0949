package cloudinit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	yaml3 "go.yaml.in/yaml/v3"
)

const seedFile = `# a seed
instance_id: iid-1
hostname: demo
users:
  - name: core
    groups: [wheel]
    sudo: ALL=(ALL) NOPASSWD:ALL
    ssh_authorized_keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJYHwuXHwWHKYZm82sVTTNKm3CKrAxj76GKlqIa6Wwh3 me
write_files:
  - path: /etc/motd
    permissions: "0600"
    content: |
      hello
runcmd:
  - [echo, 1, true, 2.5, -3]
scripts:
  - name: a.sh
    content: |
      #!/bin/sh
      true
network:
  ethernets:
    eth0: {dhcp4: true}
cloud_config:
  timezone: UTC
`

func TestParse(t *testing.T) {
	s, err := Parse([]byte(seedFile), "seed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if s.InstanceID != "iid-1" || s.Users[0].Groups[0] != "wheel" || !s.Network.Ethernets["eth0"].DHCP4 || s.CloudConfig["timezone"] != any("UTC") {
		t.Errorf("got %+v", s)
	}
	if got := strings.Join(s.RunCmd[0], " "); got != "echo 1 true 2.5 -3" {
		t.Errorf("runcmd is %q", got)
	}
	if s.WriteFiles[0].Permissions != "0600" || s.WriteFiles[0].Content != "hello\n" {
		t.Errorf("write_files is %+v", s.WriteFiles)
	}
}

func TestParseErrorsSayWhere(t *testing.T) {
	cases := map[string]struct {
		yaml, want string
	}{
		"empty":          {"", "s.yaml: is empty"},
		"comment":        {"# nothing\n", "s.yaml: is empty"},
		"not a mapping":  {"- a\n", "s.yaml:1:"},
		"syntax":         {"hostname: [a\ninstance_id: b\n", "s.yaml:"},
		"unknown":        {"instance_id: a\nhostname: b\nhostnam: c\n", `s.yaml:3:1: unknown field "hostnam"`},
		"unknown deep":   {"instance_id: a\nhostname: b\nusers:\n  - name: c\n    keys: []\n", `s.yaml:5:5: unknown field "keys"`},
		"twice":          {"instance_id: a\nhostname: b\nhostname: c\n", "s.yaml:3:1:"},
		"type":           {"instance_id: a\nhostname: b\nusers: yes\n", "s.yaml:3:8: want a"},
		"list for text":  {"instance_id: a\nhostname: [b]\n", "s.yaml:2:"},
		"value":          {"instance_id: a\nhostname: b\nusers:\n  - name: core\n  - name: Core\n", "s.yaml:5:5: users[1].name: "},
		"missing":        {"instance_id: a\n", "s.yaml:1:12: hostname: is missing"},
		"dotted id":      {"instance_id: a\nhostname: b\nnetwork:\n  ethernets:\n    a.b:\n      mtu: 3\n", "s.yaml:6:7: network.ethernets.a.b.mtu"},
		"own key":        {"instance_id: a\nhostname: b\ncloud_config:\n  timezone: UTC\n  runcmd: [x]\n", "s.yaml:5:3: cloud_config.runcmd: "},
		"second":         {"instance_id: a\nhostname: b\n---\nhostname: c\n", "s.yaml:4:9: holds a second document"},
		"alias":          {"instance_id: &a a\nhostname: *a\n", "s.yaml:1:14: anchors and aliases"},
		"octal":          {"instance_id: a\nhostname: b\nruncmd: [[chmod, 0600, /x]]\n", "s.yaml:3:18: YAML takes 0600 for a number"},
		"float":          {"instance_id: a\nhostname: b\nruncmd: [[x, 1.10]]\n", "s.yaml:3:14: YAML takes 1.10 for a number"},
		"bool":           {"instance_id: a\nhostname: b\nruncmd: [[x, True]]\n", "s.yaml:3:14: write true"},
		"null":           {"instance_id: a\nhostname: b\nruncmd: [[x, ~]]\n", "s.yaml:3:14: an entry"},
		"tag":            {"instance_id: a\nhostname: !!str b\n", "s.yaml:2:11: tags"},
		"deep":           {"cloud_config: " + strings.Repeat("[", 100), "nests too deep"},
		"deep in a line": {"a: b\n" + strings.Repeat("- ", 400), "nests too deep"},
		"many tags":      {strings.Repeat("!a ", 300), "nests too deep"},
		"large":          {strings.Repeat("#\n", MaxSeedFile), "more than"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.yaml), "s.yaml")
			var ie *InputError
			if !errors.As(err, &ie) {
				t.Fatalf("got %v, want an InputError", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestProblemsAreBounded(t *testing.T) {
	s := minimalSeed()
	for range 100 {
		s.RunCmd = append(s.RunCmd, []string{""})
	}
	if n := strings.Count(s.Validate().Error(), "\n"); n > maxProblems {
		t.Errorf("%d lines of problems", n)
	}
}

func TestCheckKnowsSamples(t *testing.T) {
	root := os.Getenv("ASSAY_SAMPLES")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "samples")
	}
	files, _ := filepath.Glob(filepath.Join(root, "nocloud", "*", "*"))
	if len(files) == 0 {
		t.Skip("0 samples of seeds found; set ASSAY_SAMPLES")
	}
	checked := 0
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(path)
		var kind string
		switch {
		case strings.HasSuffix(base, "user-data"), strings.HasPrefix(base, "cloud-config"), base == "vendor-data":
			kind, err = describe("user-data", data)
		case strings.HasPrefix(base, "network-config"):
			kind, err = describe("network-config", data)
		default:
			continue
		}
		checked++
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if !strings.HasPrefix(kind, "cloud-config") && !strings.HasPrefix(kind, "network-config version") {
			t.Errorf("%s is taken for %q", path, kind)
		}
	}
	if checked < 8 {
		t.Errorf("only %d of %d samples were of a kind that is checked", checked, len(files))
	}
}

func TestCheckFindsFaults(t *testing.T) {
	meta := Document{"meta-data", []byte("instance-id: a\n")}
	user := Document{"user-data", []byte("#cloud-config\n")}
	cases := map[string]struct {
		v    Volume
		want string
	}{
		"label":         {Volume{"seed", []Document{meta, user}}, "is called"},
		"no user-data":  {Volume{"cidata", []Document{meta}}, "user-data: is missing"},
		"no meta-data":  {Volume{"CIDATA", []Document{user}}, "meta-data: is missing"},
		"no id":         {Volume{"cidata", []Document{{"meta-data", []byte("instance=id: a\n")}, user}}, "has no instance-id"},
		"no header":     {Volume{"cidata", []Document{meta, {"user-data", []byte("runcmd: []\n")}}}, "starts with nothing"},
		"bad yaml":      {Volume{"cidata", []Document{meta, {"user-data", []byte("#cloud-config\na: [\n")}}}, "user-data: "},
		"list":          {Volume{"cidata", []Document{meta, {"user-data", []byte("#cloud-config\n- a\n")}}}, "not a mapping"},
		"network":       {Volume{"cidata", []Document{meta, user, {"network-config", []byte("version: 3\n")}}}, "version \"3\""},
		"bad part":      {Volume{"cidata", []Document{meta, {"user-data", writeMultipart([]Part{{"text/cloud-config", "a", "a: ["}})}}}, "part 1"},
		"drive no meta": {Volume{"config-2", []Document{{"openstack/latest/user_data", []byte("#!/bin/sh\n")}}}, "meta_data.json: is missing"},
		"drive no uuid": {Volume{"config-2", []Document{{"openstack/latest/meta_data.json", []byte("{}")}}}, "has no uuid"},
		"drive json":    {Volume{"config-2", []Document{{"openstack/latest/meta_data.json", []byte("{")}}}, "not JSON"},
	}
	for name, c := range cases {
		if err := c.v.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	if err := (&Volume{"cidata", []Document{meta, user}}).Check(); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(seedFile)
	f.Add("a: &a [*a, {b: c}]\n? - x\n: |+\n  y\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse([]byte(text), "s.yaml")
		if err != nil {
			var ie *InputError
			if !errors.As(err, &ie) {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		if _, err := s.Documents(NoCloud); err != nil && !errors.As(err, new(*InputError)) {
			t.Errorf("what was parsed cannot be rendered: %v", err)
		}
	})
}

func FuzzUserData(f *testing.F) {
	f.Add([]byte("#cloud-config\na: b\n"))
	f.Add(writeMultipart([]Part{{"text/cloud-config", "a", "a: b"}, {"text/x-shellscript", "b", "#!/bin/sh\né"}}))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = describeUserData(data, 0)
		_, _ = describeNetwork(data)
	})
}

// FuzzYAMLText holds the encoder against another YAML library.
func FuzzYAMLText(f *testing.F) {
	for _, s := range []string{"a: b", "on", "0644", "12:30", "a\nb", "a\nb\n", "a\n\n b\n", " a\nb", "a\n\n", "#", "- x", "é\u2028x", "a\t\nb", "\ttab\nx", "|", "'", `"`, "\n", "a\nb ", "…\nx\n", "{", "a #b", "\x7f\n", "--- a\nb", "...\nx"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		type inner struct {
			Text string   `yaml:"text"`
			List []string `yaml:"list"`
		}
		in := struct {
			Inner inner          `yaml:"inner"`
			Extra map[string]any `yaml:"extra"`
		}{inner{s, []string{s, "x"}}, map[string]any{"k": s}}
		out, err := marshalYAML(in)
		if err != nil {
			return // refused is fine, changed is not
		}
		var got struct {
			Inner inner
			Extra map[string]any
		}
		if err := yaml3.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q does not parse: %v\n%s", s, err, out)
		}
		if got.Inner.Text != s || got.Inner.List[0] != s || got.Extra["k"] != any(s) {
			t.Fatalf("%q came back as %#v\n%s", s, got, out)
		}
	})
}
