package host

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"assay/harness/guest/guesttest"
)

func TestLog(t *testing.T) {
	g := guesttest.New(t)
	g.On("ostree", "log", "r:os").Prints("commit " + sumA + "\nParent:  " + strings.Repeat("b", 64) + "\nContentChecksum:  " + sumA + "\nDate:  2026-11-01 02:03:04 +0100\nVersion: 2\n\n    Second\n\n    More\n\n" +
		"Found 1 signature:\n\n  Signature made Mon\n  Good signature\n\ncommit " + strings.Repeat("b", 64) + "\nDate:  2026-10-01 02:03:04 +0000\n(no subject)\n\n<< History beyond this commit not fetched >>\n").Then().
		Says("error: Refspec 'r:os' not found\n").Exits(1)
	all, err := Log(t.Context(), g, "r:os")
	if err == nil {
		t.Errorf("a subject without indentation was taken: %+v", all)
	}
	text := "commit " + sumA + "\nParent:  " + strings.Repeat("b", 64) + "\nDate:  2026-11-01 02:03:04 +0100\nVersion: 2\n\n    Second\n\n    More\n\nFound 1 signature:\n\n  Signature made Mon\n\ncommit " +
		strings.Repeat("b", 64) + "\nDate:  2026-10-01 02:03:04 +0000\n\n    (no subject)\n\n<< History beyond this commit not fetched >>\n"
	all, err = ParseLog(text)
	at := time.Date(2026, 11, 1, 1, 3, 4, 0, time.UTC)
	if err != nil || len(all) != 2 || !all[0].Date.Equal(at) || all[0].Version != "2" || all[0].Subject != "Second" || all[0].Parent != all[1].Checksum || all[1].Subject != "" {
		t.Errorf("%+v, %v", all, err)
	}
	var refused *RefusedError
	if _, err := Log(t.Context(), g, "r:os"); !errors.As(err, &refused) || refused.Reason != UnknownVersion {
		t.Errorf("got %v", err)
	}
	if _, err := Log(t.Context(), g, "--repo=/x"); err == nil {
		t.Error("an option was passed on")
	}
	for _, bad := range []string{"", "commit xyz\n", "Date:  2026-10-01 02:03:04 +0000\n", "commit " + sumA + "\nDate:  yesterday\n"} {
		if all, err := ParseLog(bad); err == nil {
			t.Errorf("%q gives %+v", bad, all)
		}
	}
}

func TestPullHistory(t *testing.T) {
	g := guesttest.New(t)
	g.On("ostree", "pull", "--commit-metadata-only", "--depth=-1", "r", "os/x").Then().Says("error: While fetching x: [28] Timeout: Connection timed out\n").Exits(1)
	if err := PullHistory(t.Context(), g, "r", "os/x"); err != nil {
		t.Error(err)
	}
	var refused *RefusedError
	if err := PullHistory(t.Context(), g, "r", "os/x"); !errors.As(err, &refused) || refused.Reason != Unreachable {
		t.Errorf("got %v", err)
	}
	if err := PullHistory(t.Context(), g, "-r", "os"); err == nil {
		t.Error("an option was passed on")
	}
}

func TestFsck(t *testing.T) {
	g := guesttest.New(t)
	g.On("ostree", "fsck").Prints("Verifying\nobject fsck of 2 commits completed successfully - no errors found.\n").Then().
		Prints("Verifying\n").Then().Says("error: In commits x: fsck content object y: Corrupted file object\n").Exits(1)
	if err := Fsck(t.Context(), g); err != nil {
		t.Error(err)
	}
	for range 2 {
		var refused *RefusedError
		if err := Fsck(t.Context(), g); !errors.As(err, &refused) {
			t.Errorf("got %v", err)
		}
	}
}

func TestPrepareSoftReboot(t *testing.T) {
	g := guesttest.New(t)
	g.On("ostree", "admin", "prepare-soft-reboot", "0").Prints("").Then().Says("error: Unknown \"admin\" subcommand 'prepare-soft-reboot'\n").Exits(1).Then().
		Says("error: soft reboot not supported\n").Exits(1).Then().
		Says("error: Cannot soft-reboot to deployment with different kernel state\n").Exits(1)
	if err := PrepareSoftReboot(t.Context(), g, 0); err != nil {
		t.Error(err)
	}
	var lacks *UnsupportedError
	for _, what := range []string{"an old ostree", "an ostree built without"} {
		if err := PrepareSoftReboot(t.Context(), g, 0); !errors.As(err, &lacks) {
			t.Errorf("%s: %v", what, err)
		}
	}
	var refused *RefusedError
	if err := PrepareSoftReboot(t.Context(), g, 0); !errors.As(err, &refused) || refused.Reason != WholeReboot {
		t.Errorf("another kernel: %v", err)
	}
}

func TestConfigDiff(t *testing.T) {
	g := guesttest.New(t)
	g.On("ostree", "admin", "config-diff").Prints("M    hosts\nA    a b.conf\nD    old\n").Then().Prints("?  x\n").Then().Exits(1)
	got, err := ConfigDiff(t.Context(), g)
	if err != nil || !reflect.DeepEqual(got, map[string]byte{"hosts": 'M', "a b.conf": 'A', "old": 'D'}) {
		t.Errorf("%v, %v", got, err)
	}
	for range 2 {
		if got, err := ConfigDiff(t.Context(), g); err == nil {
			t.Errorf("got %v", got)
		}
	}
}

func TestHealth(t *testing.T) {
	g := guesttest.New(t)
	g.On("/usr/libexec/greenboot/greenboot-status").Prints("Boot Status is GREEN - Health Check SUCCESS\n").Then().
		Prints("Mar 04 x greenboot[7]: Script 'dns.sh' FAILURE (exit code '3')\nMar 04 x greenboot[7]: Boot Status is RED - Health Check FAILURE!\n").Then().
		Prints("WARNING: No greenboot logs were found!\n").Then().Exits(127).Then().Says("no\n").Exits(1)
	if h, err := Health(t.Context(), g); err != nil || !h.Green || h.Failed != nil {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err := Health(t.Context(), g); err != nil || h.Green || !reflect.DeepEqual(h.Failed, []FailedScript{{"dns.sh", "3"}}) {
		t.Errorf("%+v, %v", h, err)
	}
	for range 2 {
		if _, err := Health(t.Context(), g); !errors.Is(err, ErrNoBootHealth) {
			t.Errorf("got %v", err)
		}
	}
	if h, err := Health(t.Context(), g); err == nil {
		t.Errorf("got %+v", h)
	}
}
