package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"assay/harness"
	"assay/harness/disk"
	"assay/harness/usercheck"
	"assay/reports"
)

// runCommand is the state of `assay run`.
type runCommand struct {
	guestFlags
	opt         harness.Options
	results     string
	retryFailed string
	keep, debug bool
	json        bool
}

// repeatLimit bounds what one command may ask of a host.
const repeatLimit = 1000

func newRunCommand() *cobra.Command {
	r := &runCommand{}
	c := &cobra.Command{
		Use:   "run [flags] IMAGE...",
		Short: "Judge images",
		Long: `Boot each image, run the acceptance suites in forks of its first boot, and print
the verdict and the path of the report page.

Exit status: 0 accepted, 3 rejected, 4 undecided, 2 bad command line or image,
1 internal error, 130 interrupted. With several images all are judged, and the worst
status counts: 1, then 2, 3, 4.`,
		Example: `  # everything
  assay run fedora-coreos.qcow2.xz
  # one check, with a shell in the guest when it fails
  assay run image.qcow2 --check containers/run --debug
  # again what failed last time
  assay run --retry-failed assay-results/last
  # with checks of your own, and nothing else
  assay run image.qcow2 --checks ./my-checks --suite 'user*'
  # with a newer tree to upgrade to
  assay run image.qcow2 --update-repo ./repo --update-ref fedora/x86_64/coreos/stable`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error { return r.run(c, args) },
	}
	r.guestFlags.add(c, &r.opt)
	selectionFlags(c, &r.opt.Selection)
	f := c.Flags()
	f.StringVarP(&r.results, "results", "o", "", "folder for the results (default assay-results/TIME-IMAGE)")
	f.StringVar(&r.retryFailed, "retry-failed", "", "run again what failed or was not answered in this results folder")
	f.IntVar(&r.opt.Repeat, "repeat", 1, "run every check this often; one failure is a failure")
	f.IntVar(&r.opt.Parallel, "parallel", 0, "guests at once (default: what the host holds)")
	f.IntVar(&r.opt.Retries, "retries", harness.DefaultRetries, "fresh guests to try after an infrastructure fault")
	f.BoolVar(&r.opt.NoFork, "no-fork", false, "boot a guest for every group of checks instead of forking one")
	f.StringVar(&r.opt.UpdateRepo, "update-repo", "", "ostree repository with a newer tree, served to the guests")
	f.StringVar(&r.opt.UpdateRef, "update-ref", "", "ref of the newer tree")
	f.StringVar(&r.opt.UpdateImage, "update-image", "", "OCI layout (folder) with versions of the tree as container images, oldest first")
	f.StringVar(&r.opt.KnownFile, "known", "", "known failures (YAML); a covered failure does not reject")
	f.StringVar(&r.opt.Stream, "stream", "", "release stream of the image, for the scope of known failures")
	f.Int64Var(&r.opt.MaxImageSize, "max-size", 0, "refuse compressed images that unpack to more, in bytes (default 64 GiB, and no more than 4096 times their size)")
	f.BoolVar(&r.debug, "debug", false, "open a shell in a guest in which a check failed")
	f.BoolVar(&r.keep, "keep", false, "keep the first guest in which a check failed until Ctrl-C, and say how to get in")
	f.BoolVar(&r.json, "json", false, "print results.json on standard output")
	return c
}

func (r *runCommand) run(c *cobra.Command, images []string) error {
	if err := notEmpty(c); err != nil {
		return err
	}
	if r.retryFailed != "" {
		again, err := r.selectFailed(images)
		if err != nil {
			return err
		}
		images = again
	}
	if len(images) == 0 {
		return usagef("no image was given; see `assay run --help`")
	}
	if len(images) > 1 && r.results != "" {
		return usagef("--results names one folder, and there are %d images", len(images))
	}
	if r.debug && r.keep {
		return usagef("choose one of --debug and --keep")
	}
	if (r.opt.UpdateRepo == "") != (r.opt.UpdateRef == "") {
		return usagef("--update-repo and --update-ref belong together")
	}
	if r.opt.Repeat < 1 {
		return usagef("cannot repeat %d times", r.opt.Repeat)
	}
	if r.opt.Repeat > repeatLimit {
		return usagef("cannot repeat %d times: no more than %d", r.opt.Repeat, repeatLimit)
	}
	for flag, v := range map[string]int64{"parallel": int64(r.opt.Parallel), "retries": int64(r.opt.Retries), "max-size": r.opt.MaxImageSize} {
		if v < 0 {
			return usagef("--%s cannot be %d", flag, v)
		}
	}
	if r.opt.Retries == 0 {
		r.opt.Retries = -1 // none; 0 is the package's default
	}
	if err := r.guestFlags.apply(&r.opt); err != nil {
		return err
	}
	for _, image := range images { // a typo shows before the first guest boots
		if err := disk.Find(image); err != nil {
			return err
		}
	}
	worst := exitOK
	for _, image := range images {
		status, err := r.one(c, image)
		if err != nil {
			if len(images) == 1 || c.Context().Err() != nil {
				return err
			}
			// The other images are judged all the same.
			status = report(c.ErrOrStderr(), err, c.Context())
		}
		worst = worse(worst, status)
	}
	if worst != exitOK {
		return exitError(worst)
	}
	return nil
}

// worse orders what several images can end with.
func worse(a, b int) int {
	rank := map[int]int{exitOK: 0, exitUndecided: 1, exitRejected: 2, exitUsage: 3, exitInternal: 4}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

func (r *runCommand) one(c *cobra.Command, image string) (int, error) {
	opt := r.opt
	opt.Image = image
	opt.Results = r.results
	if opt.Results == "" {
		opt.Results = filepath.Join("assay-results", time.Now().UTC().Format("20060102-150405")+"-"+folderName(image))
	}
	missing := missingFolders(opt.Results)
	p := newProgress(os.Stderr)
	defer p.close()
	opt.Progress = p.show
	told := errNotTold
	switch {
	case r.debug:
		opt.Hold = func(h harness.Held) { p.pause(func() { shellInto(c.Context(), h) }) }
	case r.keep:
		opt.Keep = func(run *reports.Run, h harness.Held) {
			p.close()
			told = r.tell(c, run)
			explainHeld(os.Stderr, h)
			<-c.Context().Done()
		}
	}
	run, err := harness.Run(c.Context(), opt)
	p.close()
	if err != nil && run != nil {
		linkLast(opt.Results)
		_ = r.tell(c, run) // it is the interruption that counts
		fmt.Fprintf(c.ErrOrStderr(), "what was not answered: assay run --retry-failed %s\n", opt.Results)
		return 0, err
	}
	if err != nil {
		for _, dir := range missing { // made for a refused image, they say nothing when they are empty
			if os.Remove(dir) != nil {
				break
			}
		}
		return 0, err
	}
	linkLast(opt.Results)
	if errors.Is(told, errNotTold) {
		told = r.tell(c, run)
	}
	return verdictStatus(run.Verdict), told
}

// errNotTold marks a verdict that was not printed yet.
var errNotTold = errors.New("the verdict was not printed")

// tell prints the verdict.
func (r *runCommand) tell(c *cobra.Command, run *reports.Run) error {
	if r.json {
		return reports.EncodeJSON(c.OutOrStdout(), run)
	}
	return reports.Summary(c.OutOrStdout(), run, isColorful(os.Stdout))
}

// missingFolders are a folder and those it is in, as far as they are not there,
// the innermost first.
func missingFolders(dir string) (missing []string) {
	for dir = filepath.Clean(dir); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			return missing
		}
		missing = append(missing, dir)
	}
}

// folderName makes an image's name fit to be one folder.
func folderName(image string) string {
	keep := func(c rune) rune {
		if c == '.' || c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '_'
	}
	name := strings.TrimLeft(strings.Map(keep, filepath.Base(image)), ".")
	return name[:min(len(name), 100)]
}

// linkLast points assay-results/last at the newest results, for people.
func linkLast(results string) {
	link := filepath.Join(filepath.Dir(results), "last")
	if filepath.Base(filepath.Dir(results)) != "assay-results" {
		return
	}
	if st, err := os.Lstat(link); err == nil && st.Mode()&os.ModeSymlink == 0 {
		return // somebody's own
	}
	tmp := fmt.Sprintf("%s.%d", link, os.Getpid())
	if os.Symlink(filepath.Base(results), tmp) == nil && os.Rename(tmp, link) != nil {
		os.Remove(tmp)
	}
}

// selectFailed chooses what failed or was not answered in earlier results, and
// the image they are about when none was given.
func (r *runCommand) selectFailed(images []string) ([]string, error) {
	old, err := reports.Read(r.retryFailed)
	if err != nil {
		return nil, &usageError{err}
	}
	if len(images) == 0 {
		images = []string{old.Image.Path}
	}
	all, err := harness.ChecksWith(r.opt.Folders)
	if err != nil {
		return nil, err
	}
	known := map[reports.CaseID]bool{}
	for _, c := range all {
		known[c.ID()] = true
	}
	var again []string
	for _, s := range old.Suites {
		for _, c := range s.Cases {
			if c.Outcome != reports.Failed && c.Outcome != reports.Errored {
				continue
			}
			if !known[c.ID] && usercheck.IsOwn(c.ID) {
				return nil, usagef("cannot run %s again: it is a check of your own; name its folder with --checks", c.ID)
			}
			if s.Name == "boot" || !known[c.ID] {
				// Nothing else was answered when the boot failed: all of it again.
				return images, nil
			}
			again = append(again, string(c.ID))
		}
	}
	if len(again) == 0 {
		return nil, usagef("nothing failed in %s: there is nothing to run again", r.retryFailed)
	}
	r.opt.Checks = append(r.opt.Checks, again...)
	return images, nil
}
