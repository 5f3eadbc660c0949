// Command demo shows ten weeks of a release stage to a person, in a minute:
// `make release-demo`. It needs ostree and gpgv; tracker, mail server and web
// server are in this process, and nothing leaves the machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"assay/release/scenario"
	"assay/release/tracker"
	"assay/release/tracker/trackertest"
)

func main() {
	dir := flag.String("dir", "", "a `folder` for all of it; what is there is removed")
	until := flag.String("until", "", "the `day` to end with, as \"6 Fri\", to look at its pages")
	flag.Parse()
	if err := demo(*dir, *until); err != nil {
		fmt.Fprintln(os.Stderr, "release-demo:", err)
		os.Exit(1)
	}
}

// marker tells a folder of ours from one that somebody needs.
const marker = "made-by-release-demo"

func demo(dir, until string) (err error) {
	if until != "" && scenario.Moments(until) == 0 {
		return fmt.Errorf("-until %q: want a week and a day, as \"6 Fri\"", until)
	}
	for _, p := range []string{"ostree", "gpgv", "curl"} {
		if _, err := exec.LookPath(p); err != nil {
			return fmt.Errorf("it needs %s: apt-get install ostree gpgv curl", p)
		}
	}
	if dir, err = fresh(dir); err != nil {
		return err
	}
	fmt.Print(`Ten weeks of nightly builds, with time passed in. History, decisions, signatures, ostree repository and pages
are real. The images are small text files and their tests are made up; the tracker is a stand-in that answers as
Gitea did when it was recorded, and mail goes to a server in this process. make server-tests has a real Gitea.
`)
	began, said := time.Now(), scenario.Account{}
	b := &bench{dir: filepath.Join(dir, "tmp")}
	defer b.close()
	w := scenario.NewWorld(b, dir, trackertest.StandIn(tracker.Gitea)(b))
	var wrong []error
	events := uint64(0)
	err = scenario.Run(context.Background(), scenario.Options{Dir: dir, Until: scenario.Moments(until), Grace: time.Millisecond,
		Morning: func(_ context.Context, d scenario.Day) error { w.Morning(d); return nil },
		Evening: func(ctx context.Context, d scenario.Day, a scenario.Account) error {
			seen, err := w.Evening(ctx, d, a)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("week %s is not as it should be: %w", d.Is, err))
			}
			tell(d, a, said, seen)
			if events = max(events, a.Events); !d.Asleep {
				said = a
			}
			return nil
		}})
	if err = errors.Join(append(wrong, err)...); err != nil {
		return err
	}
	c := w.Counts
	fmt.Printf(`
%d releases, %d revocation, %d mails, %d bugs with %d comments, %d events, in %s. Each evening a reader verified what is out
with gpgv, sha256sum and ostree, read pages and metadata, and found what was to be expected.

  the pages     %s
  ask it        ./assay release explain 20261103_01 --stream atomic-43 --at 2026-11-04 --config %s
                ./assay history show --type release.decided --config %[9]s

Its time is that of October to December 2026, whatever the clock of this host says: what asks without --at or --clock may find things that
are yet to be, or long over.
`, c.Releases, c.Revocations, c.Mails, c.Bugs, c.Comments, events, time.Since(began).Round(time.Second),
		filepath.Join(dir, "public", "index.html"), filepath.Join(dir, "assay.yaml"))
	return nil
}

// fresh makes the folder empty, if it is one of ours.
func fresh(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("want -dir FOLDER")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	left, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, marker)); err != nil && len(left) > 0 {
		return "", fmt.Errorf("%s holds something else: name another folder", dir)
	}
	return dir, errors.Join(os.RemoveAll(dir), os.MkdirAll(filepath.Join(dir, "tmp"), 0o755), os.WriteFile(filepath.Join(dir, marker), nil, 0o600))
}

// tell prints a day. Why nothing is released is told when it changes.
func tell(d scenario.Day, a, before scenario.Account, seen scenario.Seen) {
	if strings.HasSuffix(d.Is, "Mon") {
		week, _, _ := strings.Cut(d.Is, " ")
		fmt.Printf("\nWeek %s\n", week)
	}
	build := string(d.Build())
	if d.Night.Kind != scenario.Made {
		build = "no image   "
	}
	why := ""
	if a.Main != before.Main {
		why = strings.Replace(strings.TrimPrefix(a.Main, string(scenario.Main)+": "), string(scenario.Main)+" ", "", 1)
	}
	if d.Asleep {
		why = "the service is not running"
	}
	fmt.Println(strings.TrimRight(fmt.Sprintf("  %s  %s %-36s %s", d.Date().Format("Mon 02 Jan"), build, d.Night.About, why), " "))
	line := func(format string, args ...any) { fmt.Printf("              "+format+"\n", args...) }
	switch {
	case d.Outside.TrackerDown:
		line("the tracker is down")
	case d.Outside.TrackerUp:
		line("the tracker is back")
	}
	for _, s := range d.Says {
		line("%s", s)
	}
	if d.Signed.Kind != scenario.Quiet {
		line("the signing build system: %s", d.Signed.About)
	}
	if a.Stable != before.Stable && !d.Asleep {
		line("%s", a.Stable)
	}
	for _, b := range split(seen.Bugs, ", ") {
		line("bug   %s", b)
	}
	for _, m := range split(seen.Mails, "; ") {
		line("mail  %s", m)
	}
}

func split(s, by string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, by)
}
