package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Variables, so that tests need not take minutes.
var (
	// cleanLimit bounds one clean-up. Destroying a guest takes a second, a
	// stuck libvirt is not waited for.
	cleanLimit = time.Minute
	// quiet is how long no guest must have been seen: a restore that was under
	// way when the run died shows up only when libvirt has read the saved state.
	quiet = 4 * time.Second
	// again is the pause between two looks.
	again = 250 * time.Millisecond
	// reapPatience is how long Reap, which a new run waits for, tries to reach a
	// libvirt that answers nothing but errors. The keeper tries until cleanLimit.
	reapPatience = 5 * time.Second
)

// reapAtOnce is how many dead runs are cleaned up side by side.
const reapAtOnce = 8

// clean removes what a dead run left. The files go first, so that a restore
// or a start that is under way fails for want of them; the lock and the folder
// go last, so that a half-cleaned run is found again.
func clean(ctx context.Context, dir string, quiet, patience time.Duration, destroy func(context.Context) (int, error)) error {
	ctx, cancel := context.WithTimeout(ctx, cleanLimit)
	defer cancel()
	errFiles := removeFiles(dir)
	if err := destroyAll(ctx, quiet, patience, destroy); err != nil {
		return errors.Join(err, errFiles)
	}
	// What a dying guest still wrote.
	if err := removeFiles(dir); err != nil {
		return fmt.Errorf("cannot remove the files of the run: %w", err)
	}
	if err := removeAll(filepath.Join(dir, lockName)); err != nil {
		return fmt.Errorf("cannot remove the lock of the run: %w", err)
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove the folder of the run: %w", err)
	}
	return nil
}

// destroyAll calls destroy until it has found nothing for the quiet time.
func destroyAll(ctx context.Context, quiet, patience time.Duration, destroy func(context.Context) (int, error)) error {
	tick := time.NewTicker(again)
	defer tick.Stop()
	began := time.Now()
	seen, answered, destroyed := began, began, 0
	for {
		n, err := destroy(ctx)
		destroyed += n
		switch now := time.Now(); {
		case n > 0:
			seen, answered = now, now
		case err != nil:
			seen = now
		default:
			answered = now
			if now.Sub(seen) >= quiet {
				return nil
			}
		}
		over := time.Since(answered) > patience
		if !over {
			select {
			case <-tick.C:
				continue
			case <-ctx.Done():
				err = errors.Join(err, ctx.Err())
			}
		}
		return fmt.Errorf("cannot destroy the guests of the run (%d were destroyed in %s): %w",
			destroyed, time.Since(began).Round(time.Second), err)
	}
}

// removeFiles empties a run's folder but for its lock. A folder that is no
// folder (somebody put a link in its place) is not looked into.
func removeFiles(dir string) error {
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		if err == nil {
			err = fmt.Errorf("%s is not a folder", dir)
		} else if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	entries, err := os.ReadDir(dir)
	errs := []error{err}
	for _, e := range entries {
		if e.Name() != lockName {
			errs = append(errs, removeAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// removeAll is os.RemoveAll, which follows no link, for trees in which a guest
// or a test took away our right to write.
func removeAll(path string) error {
	err := os.RemoveAll(path)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(p, 0o700)
		}
		return nil
	})
	return os.RemoveAll(path)
}

// Reap cleans up after runs that were killed together with their keeper: every
// run's folder whose lock is free. Runs that live, in this process or another,
// are not touched. It returns the ids it took away; a run that cannot be
// cleaned up is in the error, and stays for the next time. destroy is told the
// run's libvirt, as NewRun was, and its id.
func Reap(ctx context.Context, runsDir string, destroy func(ctx context.Context, uri, runID string) (int, error)) ([]string, error) {
	dead, err := findDead(runsDir)
	if err != nil {
		return nil, fmt.Errorf("cannot look for dead runs in %s: %w", runsDir, err)
	}
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		reaped []string
		errs   []error
		slots  = make(chan struct{}, reapAtOnce)
	)
	for _, d := range dead {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			defer d.lock.Close()
			err := clean(ctx, d.path, quiet/2, reapPatience, func(ctx context.Context) (int, error) { return destroy(ctx, d.uri, d.id) })
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("cannot clean up after run %s: %w", d.id, err))
				return
			}
			reaped = append(reaped, d.id)
		})
	}
	wg.Wait()
	return reaped, errors.Join(errs...)
}

// uriLimit bounds what is read of a lock; a libvirt URI is far shorter.
const uriLimit = 4 << 10

type deadRun struct {
	id, path, uri string
	lock          *os.File
}

// findDead takes the lock of every run whose lock is free. While it looks, no
// run can be made, so a folder without a lock is one whose maker was killed.
func findDead(runsDir string) ([]deadRun, error) {
	runsDir, err := filepath.Abs(runsDir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(runsDir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	gate, err := lockFile(filepath.Join(runsDir, gateName), unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer gate.Close()
	entries, err := os.ReadDir(runsDir)
	if err != nil {
		return nil, err
	}
	var dead []deadRun
	for _, e := range entries {
		if !e.IsDir() || !isRunID(e.Name()) {
			continue
		}
		d := deadRun{id: e.Name(), path: filepath.Join(runsDir, e.Name())}
		d.lock, err = lockFile(filepath.Join(d.path, lockName), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EWOULDBLOCK), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			continue // alive, gone since we listed it, or another user's
		case err != nil:
			for _, d := range dead {
				_ = d.lock.Close()
			}
			return nil, err
		}
		uri, err := io.ReadAll(io.LimitReader(d.lock, uriLimit))
		if err != nil {
			uri = nil // the default then: better than no try
		}
		d.uri = string(uri)
		dead = append(dead, d)
	}
	return dead, nil
}
