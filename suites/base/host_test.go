package base

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

func TestDiskGrown(t *testing.T) {
	const (
		gib   = 1 << 30
		start = 2048
	)
	// facts is a 12 GiB disk whose root partition has part bytes and whose file
	// system has fs bytes.
	facts := func(disk, part, fs int64) string {
		return fmt.Sprintf("fs=%d 4096\ntype=ext4\nsrc=/dev/vda3\nchain vda3 part %d\nchain vda disk %d\npart vda1 %d 1000\npart vda3 %d %d\n",
			fs/4096, part, disk, start, start+1000, part/512)
	}
	lvm := "fs=786432 4096\ntype=xfs\nsrc=/dev/mapper/atomicos-root\nchain atomicos-root lvm 3221225472\nchain vda2 part 12000000000\nchain vda disk 12884901888\npart vda2 2048 25163776\n"
	suitetest.Run(t, "base/disk-grown", []suitetest.Case{
		{Name: "grown", Guest: says(diskScript, facts(12*gib, 12*gib-4<<20, 11*gib+700<<20))},
		{Name: "partition as it was", Want: reports.Failed, Says: []string{"partition vda3 ends 4.", "end of disk vda", "growpart"}, Guest: says(diskScript, facts(12*gib, 8*gib-4<<20, 7*gib))},
		{Name: "file system as it was", Want: reports.Failed, Says: []string{"(ext4) has 7.0 GiB on vda3 of 12.0 GiB", "resize2fs"}, Guest: says(diskScript, facts(12*gib, 12*gib-4<<20, 7*gib))},
		{Name: "volume group", Guest: says(diskScript, lvm)},
		{Name: "disk is not what was given", Want: reports.Errored, Fault: reports.FaultInfra, Guest: says(diskScript, facts(8*gib, 8*gib-4<<20, 7*gib))},
		{Name: "no disk", Want: reports.Skipped, Guest: says(diskScript, "fs=1 4096\nsrc=tmpfs\n")},
		{Name: "nothing offered", Want: reports.Skipped, Guest: func(_ *guesttest.Fake, e *check.Env) { e.DiskSize = e.ImageVirtualSize }},
		lacks(diskScript),
	})
}

func TestPartitionTable(t *testing.T) {
	suitetest.Run(t, "base/partition-table", []suitetest.Case{
		{Name: "sound", Guest: says(partitionScript, "No errors detected.\nHeader version: 1.0\nstatus=0\n")},
		{Name: "backup not at the end", Want: reports.Failed, Says: []string{"backup GPT table"},
			Guest: says(partitionScript, "The backup GPT table is not on the end of the device.\n1 error detected.\nstatus=1\n")},
		lacks(partitionScript),
	})
}

func TestClock(t *testing.T) {
	at := func(off time.Duration) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) {
			g.On("date", guesttest.Rest).Prints(fmt.Sprintf("%d\n", time.Now().Add(off).Unix()))
		}
	}
	suitetest.Run(t, "base/clock", []suitetest.Case{
		{Name: "right", Guest: at(0)},
		{Name: "behind", Want: reports.Failed, Says: []string{"behind"}, Guest: at(-time.Hour)},
		{Name: "ahead", Want: reports.Failed, Says: []string{"ahead"}, Guest: at(2 * time.Hour)},
		{Name: "a little behind", Want: reports.Failed, Says: []string{"behind"}, Guest: at(-2 * time.Minute)},
		{Name: "a little behind, emulated", Guest: func(g *guesttest.Fake, e *check.Env) { g.SetScale(10); at(-2*time.Minute)(g, e) }},
		{Name: "a quarter ahead, emulated", Want: reports.Failed, Says: []string{"ahead"}, Guest: func(g *guesttest.Fake, e *check.Env) { g.SetScale(10); at(15*time.Minute)(g, e) }},
	})
}

func TestMemoryIdle(t *testing.T) {
	suitetest.Run(t, "base/memory-idle", []suitetest.Case{
		{Name: "lean", Guest: says(memoryScript, "MemTotal=2000000\nMemAvailable=1700000\n")},
		{Name: "fat", Want: reports.Failed, Says: []string{"976 MiB"}, Shows: []string{"top 9 x"}, Guest: says(memoryScript, "MemTotal=2000000\nMemAvailable=1000000\ntop 9 x\n")},
		{Name: "old kernel", Want: reports.Skipped, Guest: says(memoryScript, "MemTotal=2000000\n")},
	})
}

func TestSysusers(t *testing.T) {
	suitetest.Run(t, "base/sysusers", []suitetest.Case{
		{Name: "made", Guest: says(sysusersScript, "")},
		{Name: "missing", Want: reports.Failed, Says: []string{"user polkitd"}, Guest: says(sysusersScript, "user polkitd\n")},
		lacks(sysusersScript),
	})
}

const (
	firstBoot = "00000000-0000-4000-8000-000000000001" // of guesttest's fake
)

// reboots plans a guest that was prepared before, and reboots once.
func reboots(then func(g *guesttest.Fake, e *check.Env)) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, e *check.Env) {
		g.On("sh", "-c", notesScript, "sh", noteFolder).Then().Prints("aaaa\n" + firstBoot + "\n")
		g.On("sh", "-c", prepareScript, guesttest.Rest)
		g.OnReboot(nil)
		then(g, e)
	}
}

func TestReboot(t *testing.T) {
	const back = "id=aaaa\nvar=1\netc=1\n"
	with := func(out string) func(*guesttest.Fake, *check.Env) {
		return reboots(func(g *guesttest.Fake, e *check.Env) {
			says(afterRebootScript, out)(g, e)
			says(runningScript, "running\n")(g, e)
		})
	}
	suitetest.Run(t, "base/reboot", []suitetest.Case{
		{Name: "back", Guest: with(back)},
		{Name: "/var lost", Want: reports.Failed, Says: []string{noteFolder}, Guest: with("id=aaaa\netc=1\n")},
		{Name: "/etc lost", Want: reports.Failed, Says: []string{etcNote}, Guest: with("id=aaaa\nvar=1\n")},
		{Name: "another machine", Want: reports.Failed, Says: []string{"from aaaa to bbbb"}, Guest: with("id=bbbb\nvar=1\netc=1\n")},
		{Name: "degraded", Want: reports.Failed, Says: []string{"x.service"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			with(back)(g, e)
			says(runningScript, "degraded\nx.service loaded failed failed X\n")(g, e)
		}},
		{Name: "stays up", Want: reports.Failed, Says: []string{"does not go down"}, Guest: reboots(func(g *guesttest.Fake, _ *check.Env) {
			g.OnReboot(func() error { return guest.ErrRebootNotSeen })
		})},
		{Name: "does not come back", Want: reports.Errored, Fault: reports.FaultInfra, Guest: reboots(func(g *guesttest.Fake, _ *check.Env) {
			g.OnReboot(func() error {
				return &guest.TransportError{Guest: "fake", Op: "connect", Err: errors.New("no banner")}
			})
		})},
		{Name: "cannot enable", Want: reports.Failed, Says: []string{"cannot be set up", "Read-only"}, Guest: func(g *guesttest.Fake, _ *check.Env) {
			g.On("sh", "-c", notesScript, "sh", noteFolder)
			g.On("sh", "-c", prepareScript, guesttest.Rest).Exits(1).Says("Read-only file system\n")
		}},
	})
}

func TestJournalAcrossReboot(t *testing.T) {
	const both = "-1 00000000000040008000000000000001 Mon\n 0 00000000000040008000000000000002 Mon\n"
	with := func(out string) func(*guesttest.Fake, *check.Env) {
		return reboots(says(bootListScript, out))
	}
	suitetest.Run(t, "base/journal-across-reboot", []suitetest.Case{
		{Name: "kept", Guest: with(both)},
		{Name: "lost", Want: reports.Failed, Says: []string{"the boot before is gone"}, Guest: with("0 00000000000040008000000000000002 Mon\n")},
		{Name: "broken", Want: reports.Failed, Says: []string{"does not know"}, Guest: with("")},
		{Name: "prepared by another check", Guest: func(g *guesttest.Fake, e *check.Env) {
			g.On("sh", "-c", notesScript, "sh", noteFolder).Prints("aaaa\n" + firstBoot + "\n")
			g.OnReboot(nil)
			says(bootListScript, both)(g, e)
		}},
	})
}

func TestServicePersistence(t *testing.T) {
	with := func(kept, dropped string) func(*guesttest.Fake, *check.Env) {
		return reboots(func(g *guesttest.Fake, e *check.Env) {
			says(probeUnitsScript, keptUnit+"="+kept+"\n"+droppedUnit+"="+dropped+"\n")(g, e)
			g.Logs()
		})
	}
	const on, off = "enabled active yes", "disabled inactive no"
	suitetest.Run(t, "base/service-persistence", []suitetest.Case{
		{Name: "as told", Guest: with(on, off)},
		{Name: "lost", Want: reports.Failed, Says: []string{"enabled before"}, Guest: with("disabled inactive no", off)},
		{Name: "came back", Want: reports.Failed, Says: []string{"disabled before"}, Guest: with(on, "disabled active yes")},
	})
}

// prepareRoot adds ostree's configuration of the root to a guest.
func prepareRoot(conf string, then func(*guesttest.Fake, *check.Env)) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, e *check.Env) {
		then(g, e)
		g.On("sh", "-c", guesttest.Containing("prepare-root.conf")).Prints(conf)
	}
}
