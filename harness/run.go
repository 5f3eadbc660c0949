package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"assay/cloudinit"
	"assay/reports"
)

// Run judges one image and writes the results folder. The error is nil
// whenever a verdict was reached, whatever it is; a *disk.InputError names a
// bad image, an *InfraError a host that could not do its part. A cancelled ctx
// ends the run: no guest is left behind, and if checks were answered by then the
// run is returned beside the error, and its folder says what is known.
func Run(ctx context.Context, opt Options) (*reports.Run, error) {
	began := usage() // a process may run more than once
	if err := opt.fill(); err != nil {
		return nil, err
	}
	all, own, err := checksWith(opt.Folders)
	if err != nil {
		return nil, err
	}
	checks, err := Select(all, opt.Selection)
	if err != nil {
		return nil, err
	}
	run := &reports.Run{
		Version: reports.FormatVersion, Started: time.Now(),
		Tool: reports.Tool{Name: "assay", Version: opt.Version}, Command: opt.Command,
	}
	run.Selection = opt.Selection.told()
	s, err := open(ctx, opt, run)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		s.exist = append(s.exist, r.ID())
	}
	if err = s.packOwn(own, checks); err == nil {
		err = s.judge(ctx, checks)
	}
	decided := err == nil && ctx.Err() == nil
	if decided {
		run.Finished = time.Now()
		run.Usage = usageSince(began)
		err = s.verdict(checks)
		if err == nil && s.kept != nil {
			opt.Keep(run, s.kept.held)
		}
	}
	var partial *reports.Run
	if !decided && ctx.Err() != nil {
		partial = s.broken(checks)
	}
	cerr := s.close()
	if cerr != nil {
		opt.Log.Warn("cannot clean up completely", "err", cerr)
		cerr = &LeftoverError{cerr}
	}
	if !decided && ctx.Err() != nil {
		return partial, errors.Join(context.Cause(ctx), cerr)
	}
	if err != nil {
		return nil, err
	}
	return run, nil
}

// fill sets defaults and makes paths absolute.
func (o *Options) fill() error {
	if o.Results == "" {
		return errors.New("cannot run: no results folder was given")
	}
	for _, p := range []*string{&o.Image, &o.Results, &o.UpdateRepo, &o.UpdateImage} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		*p = abs
	}
	if o.Cache == "" {
		d, err := DefaultCache()
		if err != nil {
			return err
		}
		o.Cache = d
	}
	if o.SeedFormat == "" {
		o.SeedFormat = cloudinit.NoCloud
	}
	if o.MemoryMiB == 0 {
		o.MemoryMiB = DefaultMemoryMiB
	}
	if o.CPUs == 0 {
		o.CPUs = DefaultCPUs
	}
	switch {
	case o.Retries == 0:
		o.Retries = DefaultRetries
	case o.Retries < 0:
		o.Retries = 0
	}
	if o.Exe == "" {
		exe, err := os.Executable()
		if err != nil {
			return fmt.Errorf("cannot find this program's own file: %w", err)
		}
		o.Exe, o.ChildArgs, o.KeeperArgs = exe, []string{childArg}, []string{keeperArg}
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Log == nil {
		o.Log = discardLog()
	}
	return nil
}

// usage is what this process and its ended children spent.
func usage() *reports.Usage {
	var self, kids syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &self) != nil || syscall.Getrusage(syscall.RUSAGE_CHILDREN, &kids) != nil {
		return nil
	}
	cpu := func(r syscall.Rusage) time.Duration {
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return &reports.Usage{CPU: cpu(self), MaxRSSKiB: self.Maxrss, ChildrenCPU: cpu(kids), ChildrenPeak: kids.Maxrss}
}

// usageSince is what was spent since then. The most memory is that of the whole process.
func usageSince(began *reports.Usage) *reports.Usage {
	now := usage()
	if now != nil && began != nil {
		now.CPU -= began.CPU
		now.ChildrenCPU -= began.ChildrenCPU
	}
	return now
}

// hostCPUs is how many CPUs this process may use.
func hostCPUs() int { return runtime.NumCPU() }
