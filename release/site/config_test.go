package site_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"assay/artifact"
	"assay/release"
	"assay/release/releasetest"
	"assay/release/site"
)

func TestConfiguration(t *testing.T) {
	l := newLab(t)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := write("key.asc", l.public(t))
	cloud := write("cloud.jsonl", []byte(`{"build":"20261103_01","arch":"x86_64","provider":"aws","region":"us-east-1","image":"ami-1"}`+"\n\n"))
	text := `
title: Downloads
about: Tested images.
url: https://download.example.org
directory: /srv/site
streams:
  - stream: fedora-43
    files: https://mirror.example.org/pub
    keys: [{name: key, public: ` + key + `}]
    cloud_images: ` + cloud + `
    rollout: 48h
    barriers: [{build: "20261103_01", reason: "https://docs.example.org/barrier"}]
`
	var c site.Config
	if err := yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	p := policy("fedora-43", "Atomic Host")
	in, err := c.Load([]*release.Policy{p})
	if err != nil {
		t.Fatal(err)
	}
	s := in.Streams[0]
	if in.Title != "Downloads" || s.Policy != p || len(s.Keys) != 1 || len(s.CloudImages) != 1 || s.Rollout != 48*time.Hour || s.Barriers[0].Build != "20261103_01" {
		t.Fatalf("%+v", in)
	}
	l.Policy = p
	l.At("2026-11-03T12:10:00Z")
	l.build("20261103_01")
	in.State, in.Now = l.State, l.Now
	raw := string(render(t, in)["streams/fedora-43/index.html"])
	want(t, raw, `href="https://mirror.example.org/pub/releases/fedora-43/20261103_01/Atomic-Host-20261103_01.x86_64.qcow2"`, "ami-1")

	for want, change := range map[string]func(*site.Config){
		"there is no policy": func(c *site.Config) { c.Streams[0].Stream = "other" },
		"no such file":       func(c *site.Config) { c.Streams[0].Keys[0].Public = dir + "/none" },
		"line 1":             func(c *site.Config) { c.Streams[0].CloudImages = key },
		"absolute path":      func(c *site.Config) { c.Directory = "site" },
		"quotes":             func(c *site.Config) { c.Streams[0].Barriers[0].Build = "2026110301" }, // what YAML makes of 20261103_01
	} {
		var bad site.Config
		if err := yaml.Unmarshal([]byte(text), &bad); err != nil {
			t.Fatal(err)
		}
		change(&bad)
		if _, err := bad.Load([]*release.Policy{p}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestCloudImagesThatAreRefused(t *testing.T) {
	for _, line := range []string{`{}`, `[]`, `{"build":"x","arch":"x86_64","provider":"aws","image":"a"}`, `{"build":"20261103_01","arch":"x86_64","provider":"aws"}`, `{"build":"20261103_01","arch":"x86_64","provider":"aws","image":"a","colour":1}`} {
		if got, err := site.ParseCloudImages([]byte(line)); err == nil {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

func TestPackageChanges(t *testing.T) {
	l := newLab(t)
	l.Policy = policy("fedora-43", "Atomic Host")
	list := func(b release.BuildID, p ...string) {
		for _, arch := range []artifact.Arch{artifact.X8664, artifact.AArch64} {
			l.Record(release.Self, &release.PackagesListed{Build: b, Arch: arch, Packages: p})
		}
	}
	l.At("2026-11-03T12:10:00Z")
	l.build("20261103_01")
	if c, err := site.PackageChanges(context.Background(), l.Log, l.State, "fedora-43"); c != nil || err != nil {
		t.Fatalf("before there are lists: %+v, %v", c, err)
	}
	list("20261103_01", "kernel-1-1.x86_64")
	l.At("2026-11-17T12:10:00Z")
	l.build("20261117_01")
	list("20261117_01", "kernel-2-1.x86_64")
	c, err := site.PackageChanges(context.Background(), l.Log, l.State, "fedora-43")
	if err != nil || c == nil || c.From != "20261103_01" || len(c.Diff.Upgraded) != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := site.PackageChanges(context.Background(), &releasetest.Log{}, l.State, "fedora-43"); err == nil {
		t.Error("a history that has lost its lists is taken")
	}
}
