package hosttest

import (
	"reflect"
	"testing"
	"time"

	"assay/harness/guest/guesttest"
	"assay/harness/host"
)

// What the kit prints of a model is read back as that model.
func TestOutputIsReadBack(t *testing.T) {
	yes := true
	image := func(digit string) *host.Image {
		return &host.Image{Name: "registry.test/os:1", Transport: "registry", Digest: "sha256:" + digit}
	}
	at := time.Date(2026, 11, 1, 2, 3, 4, 0, time.UTC)
	booted := host.Deployment{OSName: "os", Serial: 1, Checksum: Sum('a'), BaseChecksum: Sum('b'), Version: "1", Timestamp: at, Origin: "r:os/x",
		Booted: true, Pinned: true, Unlocked: "hotfix", Requested: []string{"htop", "vim"}, Layered: []string{"htop"},
		LocalPackages: []string{"a-1-1.noarch"}, Removed: []string{"strace-1-1.x86_64"}, Replaced: []host.Replacement{{Name: "docker", From: "1-1", To: "2-1"}},
		RegenerateInitramfs: true, InitramfsArgs: []string{"-v"}, Signed: &yes, LiveCommit: Sum('c')}
	staged := host.Deployment{OSName: "os", Checksum: Sum('c'), BaseChecksum: Sum('c'), Version: "2", Timestamp: at, Origin: "r:os/x", Staged: true, Pending: true}
	old := host.Deployment{OSName: "os", Checksum: Sum('d'), BaseChecksum: Sum('d'), Version: "0", Timestamp: at, Origin: "r:os/x", Rollback: true}
	plain := func(d host.Deployment) host.Deployment {
		return host.Deployment{OSName: d.OSName, Serial: d.Serial, Checksum: d.Checksum, BaseChecksum: d.Checksum, Version: d.Version, Origin: d.Origin,
			Booted: d.Booted, Staged: d.Staged, Pending: d.Pending, Rollback: d.Rollback, Pinned: d.Pinned, Unlocked: d.Unlocked}
	}
	ofImage := func(d host.Deployment, digit string) host.Deployment {
		d = plain(d)
		d.Origin, d.Unlocked, d.Timestamp, d.Image = "", "", at, image(digit)
		return d
	}
	for tool, all := range map[host.Tool][]host.Deployment{
		host.RPMOSTree:  {staged, booted, old},
		host.AtomicHost: {staged, booted, old},
		host.OSTree:     {plain(staged), plain(booted), plain(old)},
		host.Bootc:      {ofImage(staged, "c"), ofImage(booted, "a"), ofImage(old, "d")},
	} {
		g := guesttest.New(t)
		PlanStatus(t, g, tool, all)
		s, err := host.New(tool, g).Status(t.Context())
		if err != nil {
			t.Errorf("%s: %v", tool, err)
			continue
		}
		for i := range s.Deployments {
			s.Deployments[i].Signatures = nil
		}
		if s.Tool != tool || !reflect.DeepEqual(s.Deployments, all) {
			t.Errorf("%s:\n%+v\nwant\n%+v", tool, s.Deployments, all)
		}
	}
}

func TestQueuedRollback(t *testing.T) {
	g := guesttest.New(t)
	PlanStatus(t, g, host.Bootc, []host.Deployment{{OSName: "os", Checksum: Sum('d')}, {OSName: "os", Checksum: Sum('a'), Booted: true}})
	s, err := host.New(host.Bootc, g).Status(t.Context())
	if p, ok := s.Pending(); err != nil || !ok || p.Checksum != Sum('d') {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestPlanTools(t *testing.T) {
	g := guesttest.New(t)
	PlanTools(g, host.OSTree, host.RPMOSTree, host.Quadlet)
	f, err := host.Detect(t.Context(), g)
	if err != nil || len(f.Drivers) != 2 || f.Drivers[0].Tool() != host.RPMOSTree || len(f.Containers) != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	if _, ok := f.Driver(host.Bootc); ok {
		t.Error("found bootc")
	}
}
