package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"assay/fixtures/broken"
	"assay/fixtures/refimage"
	"assay/harness"
	"assay/harness/machine"
	"assay/reports"
)

// The tests of this file boot real guests. They run when ASSAY_GUEST_TESTS is
// set, and then fail where no guest can run.
func needGuests(t *testing.T) {
	t.Helper()
	if os.Getenv("ASSAY_GUEST_TESTS") == "" {
		t.Skip("boots real guests: set ASSAY_GUEST_TESTS=1 (make acceptance does)")
	}
}

// cacheDir is the host's own cache: prepared images are dear.
func cacheDir(t *testing.T) string {
	t.Helper()
	d, err := harness.DefaultCache()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func referenceImage(t *testing.T) *refimage.Image {
	t.Helper()
	img, err := refimage.Ensure(t.Context(), refimage.Options{Cache: cacheDir(t), Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// assayProgram is this test binary under a name that makes it assay.
func assayProgram(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "assay")
	if err := os.Symlink(exe, link); err != nil {
		t.Fatal(err)
	}
	return link
}

// ended is one `assay run` that ran to its end.
type ended struct {
	status int
	stdout string
	stderr string
	run    *reports.Run
}

// assayRun runs `assay run` and reads its results.
func assayRun(t *testing.T, image string, args ...string) ended {
	t.Helper()
	results := filepath.Join(t.ArtifactDir(), "results")
	if err := os.RemoveAll(results); err != nil { // of the test's run before
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), assayProgram(t), append([]string{"run", "--results", results, image}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	err := cmd.Run()
	e := ended{stdout: out.String(), stderr: diag.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		e.status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	t.Logf("assay run %s: exit %d\n%s%s", filepath.Base(image), e.status, e.stdout, e.stderr)
	if e.run, err = reports.Read(results); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return e
}

// leftovers are what runs must never leave: guests, files, reservations.
func leftovers(t *testing.T) []string {
	t.Helper()
	var out []string
	owned, err := machine.ListOwned(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range owned {
		out = append(out, "guest "+o.Name)
	}
	runs, err := filepath.Glob(filepath.Join(cacheDir(t), "runs", "[a-z0-9]*")) // not the gate that runs share
	if err != nil {
		t.Fatal(err)
	}
	tickets, err := filepath.Glob(filepath.Join(cacheDir(t), "capacity", "tickets", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, ticket := range tickets {
		// A killed run's ticket stays as a file until the next run looks; only its
		// lock reserves anything.
		if isLocked(t, ticket) {
			out = append(out, ticket)
		}
	}
	return append(out, runs...)
}

// leftoversOf are what one run left: others may be under way on this host.
func leftoversOf(t *testing.T, run *reports.Run) []string {
	t.Helper()
	return slices.DeleteFunc(leftovers(t), func(left string) bool { return !strings.Contains(left, run.ID) })
}

func isLocked(t *testing.T, path string) bool {
	t.Helper()
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

// awaitClean waits until nothing is left, or says what is.
func awaitClean(t *testing.T, limit time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		left := leftovers(t)
		if len(left) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("left behind after %s: %s", limit, strings.Join(left, ", "))
		}
	}
}

// failures are the blocking cases that failed by the image's fault.
func failures(run *reports.Run) (ids []string) {
	for _, s := range run.Suites {
		for _, c := range s.Cases {
			if c.Blocking && c.Outcome == reports.Failed && c.Fault == reports.FaultImage {
				ids = append(ids, string(c.ID))
			}
		}
	}
	return ids
}

// checksOfCI are what a healthy image is judged by where time is short: of the
// criteria that reboot again and again a sample that shares one upgraded guest.
var checksOfCI = []string{"base/*", "cloud-init/*", "storage/*", "runtime/*", "containers/*", "boot/*",
	"upgrade/ostree", "upgrade/keeps-*", "upgrade/etc-default", "rollback/ostree", "deploy/unknown*"}

// TestHealthyImageIsAccepted judges the reference image by every suite.
// ASSAY_HEALTHY_RUNS repeats it.
func TestHealthyImageIsAccepted(t *testing.T) {
	needGuests(t)
	img := referenceImage(t)
	runs, _ := strconv.Atoi(os.Getenv("ASSAY_HEALTHY_RUNS"))
	for n := range max(runs, 1) {
		t.Run(strconv.Itoa(n+1), func(t *testing.T) {
			var args []string
			if os.Getenv("ASSAY_CORPUS") != "all" {
				args = append(args, "--label", "!slow") // `make long` has those too
				for _, c := range checksOfCI {
					args = append(args, "--check", c)
				}
			}
			e := assayRun(t, img.QCOW2, args...)
			if e.status != exitOK || e.run == nil || e.run.Verdict != reports.Accepted {
				t.Fatalf("exit %d; want the healthy image accepted", e.status)
			}
			if e.run.Counts.Passed < 50 {
				t.Errorf("only %d checks passed: the run was hollow", e.run.Counts.Passed)
			}
			if left := leftoversOf(t, e.run); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// TestHealthyByConfigDrive gives the image its seed as an OpenStack config drive.
// CI has no time for it: `make long` does.
func TestHealthyByConfigDrive(t *testing.T) {
	needGuests(t)
	if os.Getenv("ASSAY_CORPUS") != "all" {
		t.Skip("more than two minutes: make long runs it")
	}
	e := assayRun(t, referenceImage(t).QCOW2, "--seed", "config-drive", "--suite", "cloud-init")
	if e.status != exitOK || e.run == nil {
		t.Fatalf("exit %d; want the healthy image accepted", e.status)
	}
	for _, s := range e.run.Suites {
		for _, c := range s.Cases {
			if c.ID == "cloud-init/user-script" && c.Outcome == reports.Passed {
				return
			}
		}
	}
	t.Error("cloud-init/user-script did not pass: nothing shows that the seed was read")
}

// brokenSets are the broken images that CI has the time for: one for each fault
// that stops the boot soon, and one for all that can share an image. `make
// corpus` has the others, one by one.
func brokenSets() (sets [][]broken.Fault) {
	var together []broken.Fault
	for _, f := range broken.CI() {
		if f.Alone {
			sets = append(sets, []broken.Fault{f})
		} else {
			together = append(together, f)
		}
	}
	if len(together) > 0 {
		sets = append(sets, together)
	}
	return sets
}

// TestBrokenImagesAreRejected boots each broken image and wants the right
// checks to name its faults, and no other to.
func TestBrokenImagesAreRejected(t *testing.T) {
	needGuests(t)
	img := referenceImage(t)
	for _, faults := range brokenSets() {
		name, want := faults[0].Name, []string{}
		if len(faults) > 1 {
			name = "together"
		}
		args := []string{}
		for _, f := range faults {
			want = append(want, f.Check)
			if !strings.HasPrefix(f.Check, "boot/") {
				args = append(args, "--check", f.Check)
			}
		}
		if len(args) == 0 {
			args = []string{"--check", "base/failed-units"}
		}
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), name+".raw")
			if err := broken.Make(t.Context(), img.Raw, out, faults...); err != nil {
				t.Fatal(err)
			}
			e := assayRun(t, out, args...)
			if e.status != exitRejected || e.run == nil {
				t.Fatalf("exit %d; want %d, rejected", e.status, exitRejected)
			}
			got := failures(e.run)
			for _, w := range want {
				if !slices.Contains(got, w) {
					t.Errorf("check %s did not name its fault; these failed: %q", w, got)
				}
			}
			for _, g := range got {
				if !slices.Contains(want, g) {
					t.Errorf("check %s failed too, and names nothing that is broken", g)
				}
			}
			if left := leftoversOf(t, e.run); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// TestKillLeavesNothing kills `assay run` at moments spread over a whole run.
// ASSAY_KILLS sets how many.
func TestKillLeavesNothing(t *testing.T) {
	needGuests(t)
	image := smallImage(t)
	kills, _ := strconv.Atoi(os.Getenv("ASSAY_KILLS"))
	kills = max(kills, 20)
	// The second whole run tells how long one takes: the first fills caches.
	assayRun(t, image, "--check", "base/os-release")
	began := time.Now()
	assayRun(t, image, "--check", "base/os-release")
	whole := time.Since(began)
	program := assayProgram(t)
	hit := 0
	for n := range kills {
		after := whole * time.Duration(n+1) / time.Duration(kills+1)
		cmd := exec.Command(program, "run", "--results", filepath.Join(t.TempDir(), "r"), "--check", "base/os-release", image)
		var diag bytes.Buffer
		cmd.Stderr = &diag
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
		if cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
			hit++
		}
		t.Logf("killed after %s; it last said %s", after.Round(10*time.Millisecond), lastLineOf(diag.String()))
		awaitClean(t, 30*time.Second)
	}
	if hit < kills*3/4 {
		t.Errorf("only %d of %d kills hit a run: the others came too late", hit, kills)
	}
	// And no lock stops the next run.
	if e := assayRun(t, image, "--check", "base/os-release"); e.status != exitOK || e.run == nil {
		t.Errorf("the run after the kills was not accepted: exit %d", e.status)
	}
}

func lastLineOf(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
