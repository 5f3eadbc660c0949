package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/artifact"
)

// TestForks boots from a disk by UEFI, saves, and forks: side by side, from a
// fork, by a file where a pipe does not do, and not from what is damaged.
func TestForks(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	base := filepath.Join(r.dir, "base.qcow2")
	if err := copyFile(base, r.guest.QCOW2); err != nil {
		t.Fatal(err)
	}
	disk := r.overlay("boot.qcow2", base)
	s := r.boot(Spec{Name: "boot", Arch: artifact.X8664, Firmware: artifact.UEFI, MemoryMiB: 256, CPUs: 1,
		Disk: disk, DiskFormat: artifact.QCOW2, Seed: r.seed})
	s.connect()
	cold := time.Since(s.began)
	// The disk's end is nobody's: data there must come through the save.
	at := s.run("echo $(( $(cat /sys/class/block/vda/size) / 2048 - 8 ))")
	s.run("dd if=/dev/urandom of=/x bs=1M count=4 2>/dev/null; dd if=/x of=/dev/vda bs=1M seek=" + at + " 2>/dev/null && sync")
	sum := s.run("md5sum </x")
	readBack := "echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=1M count=4 skip=" + at + " 2>/dev/null | md5sum"
	bootID := s.run("cat /proc/sys/kernel/random/boot_id")

	saved, err := s.Save(ctx, filepath.Join(r.dir, "saved"))
	if err != nil {
		t.Fatal(err)
	}
	s.awaitEnd(EndSaved)
	t.Logf("saved %d MiB within %s", saved.Size>>20, saved.Took.Round(time.Millisecond))
	if _, err := s.Save(ctx, filepath.Join(r.dir, "again")); !errors.Is(err, ErrGone) {
		t.Errorf("saving a saved guest: %v, want ErrGone", err)
	}

	forks := make([]*subject, 2)
	for i := range forks {
		name := fmt.Sprintf("fork-%d", i+1)
		forks[i] = r.fork(saved, ForkSpec{Name: name, Disk: r.overlay(name+".qcow2", disk)})
		forks[i].connect()
		t.Logf("ratio of fork to cold boot, both to the login: %.3f", float64(time.Since(forks[i].began))/float64(cold))
		if got := forks[i].run("cat /proc/sys/kernel/random/boot_id"); got != bootID {
			t.Errorf("%s has boot id %s, want its origin's %s", name, got, bootID)
		}
		if got := forks[i].run(readBack); got != sum {
			t.Errorf("%s reads %s from the disk, its origin wrote %s", name, got, sum)
		}
	}
	// Each has a disk and a console of its own.
	forks[0].run("dd if=/dev/zero of=/dev/vda bs=1M count=4 seek=" + at + " 2>/dev/null; sync; echo from fork-1 >/dev/ttyS0")
	forks[0].console.await(t, "from fork-1", 1)
	if strings.Contains(forks[1].console.String(), "from fork-1") {
		t.Error("what fork-1 says is on the console of fork-2")
	}
	if got := forks[1].run(readBack); got != sum {
		t.Errorf("what fork-1 wrote is read by fork-2: %s, want %s", got, sum)
	}
	if got := forks[0].run(readBack); got == sum {
		t.Error("what fork-1 wrote is not on its disk")
	}

	// A fork of a fork, from a file this time.
	r.host.source.Store(int32(fileSource))
	second, err := forks[0].Save(ctx, filepath.Join(r.dir, "saved-2"))
	if err != nil {
		t.Fatal(err)
	}
	again := r.fork(second, ForkSpec{Name: "fork-3", Disk: r.overlay("fork-3.qcow2", filepath.Join(r.dir, "fork-1.qcow2"))})
	if got := again.run(readBack); got == sum {
		t.Error("the fork of a fork has its grandparent's disk")
	}
	if err := again.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	again.console.await(t, "small login: ", 1)
	if err := again.Destroy(ctx); err != nil {
		t.Error(err)
	}
	// As if nothing were known: both ways are tried on what is damaged.
	r.host.source.Store(int32(unknownSource))

	t.Run("damaged", func(t *testing.T) { r.forkDamaged(t, saved, disk) })

	for _, f := range forks[1:] {
		if err := f.Destroy(ctx); err != nil {
			t.Error(err)
		}
		f.awaitEnd(EndDestroyed)
	}
	for _, s := range []*Saved{saved, second} {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	}
	r.expectEmpty()
}

// forkDamaged expects ErrForkUnavailable, whatever is wrong with the save.
func (r *rig) forkDamaged(t *testing.T, saved *Saved, disk string) {
	ctx := t.Context()
	for name, damage := range map[string]func(*Saved) error{
		"gone":      func(s *Saved) error { s.Path += "-none"; return nil },
		"truncated": func(s *Saved) error { return os.Truncate(s.Path, s.Size-1<<20) },
		// Cut so that the size is as recorded: only QEMU can tell.
		"cut": func(s *Saved) error {
			s.Size -= 8 << 20
			return os.Truncate(s.Path, s.Size)
		},
		"garbled": func(s *Saved) error {
			f, err := os.OpenFile(s.Path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(make([]byte, 4096), s.file.streamAt)
			return errors.Join(err, f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := *r
			r.t = t
			copied := *saved
			copied.Path = filepath.Join(r.dir, "damaged-"+name)
			if err := copyFile(copied.Path, saved.Path); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(copied.Path)
			if err := damage(&copied); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			m, err := r.host.Fork(ctx, &copied, ForkSpec{Name: "bad", Disk: r.overlay("bad-"+name+".qcow2", disk)})
			t.Logf("after %s: %v", since(start), err)
			if !errors.Is(err, ErrForkUnavailable) {
				t.Errorf("error %v, want ErrForkUnavailable", err)
			}
			if m != nil {
				m.Destroy(ctx)
			}
		})
	}
	if owned, err := ListOwned(ctx, ""); err != nil {
		t.Error(err)
	} else {
		for _, o := range owned {
			if o.RunID == r.host.cfg.RunID && o.Name == namePrefix+o.RunID+"-bad" {
				t.Error("a fork that failed is still there")
			}
		}
	}
}
