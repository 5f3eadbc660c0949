package base

import (
	"errors"
	"strings"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/deployments"
	"assay/suites/suitetest"
)

// fsck marks commits as incomplete, which other checks must not meet.
func TestOSTreeRepositoryIsIsolated(t *testing.T) {
	for _, r := range check.All() {
		if r.ID() == "base/ostree-repository" && !r.Isolated {
			t.Error("it shares its guest")
		}
	}
}

func TestOSTreeRepository(t *testing.T) {
	const sound = "Verifying\nobject fsck of 3 commits completed successfully - no errors found.\n"
	object := strings.Repeat("e", 64)
	booted := deployment(func(d *host.Deployment) { d.Booted = true })
	// with is a guest whose fsck says this, as libostree prints it.
	with := func(stdout, stderr string, exit ...int) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) {
			hosttest.PlanTools(g, host.OSTree)
			hosttest.PlanStatus(t, g, host.OSTree, []host.Deployment{booted})
			g.On("sh", "-c", deployments.PartialScript, "sh", booted.Checksum)
			p := g.On("ostree", "fsck").Prints(stdout)
			if stderr != "" {
				p.Says(stderr).Exits(1)
			}
			for _, e := range exit {
				p.Exits(e)
			}
		}
	}
	const corrupt = "error: Repository corruption encountered\n"
	missing := func(commits ...string) string {
		return "Object missing in commits " + strings.Join(commits, ", ") + ": " + object + ".file\nMarking commit as partial: " + commits[0] + "\n"
	}
	const before = "1 partial commits not verified\n"
	otherBytes := "error: In commits " + booted.Checksum + ": fsck content object " + object + ": Corrupted file object; checksum expected='" + object + "' actual='" + hosttest.Sum('f') + "'\n"
	// imported changes a guest into one whose repository was imported from an image.
	imported := func(g func(*guesttest.Fake, *check.Env), out string) func(*guesttest.Fake, *check.Env) {
		return func(f *guesttest.Fake, e *check.Env) {
			g(f, e)
			says(deployments.ImportedScript, out)(f, e)
			says(deployments.PackagedScript, "of /usr/bin/foo .......T.    /usr/bin/foo\n")(f, e)
		}
	}
	suitetest.Run(t, "base/ostree-repository", []suitetest.Case{
		{Name: "whole", Guest: with(sound, "")},
		{Name: "other bytes", Want: reports.Failed, Says: []string{"fsck content object " + object, "Corrupted file object"}, Guest: imported(with("Verifying\n", otherBytes), "")},
		{Name: "other bytes or labels of an imported image", Want: reports.Skipped, Says: []string{"bootc-dev/bootc#1216", object}, Guest: imported(with("Verifying\n", otherBytes), "imported\n")},
		{Name: "file of an imported image unlike its package", Want: reports.Failed, Says: []string{"/usr/bin/foo is damaged", object}, Shows: []string{"..5....T."},
			Guest: func(f *guesttest.Fake, e *check.Env) {
				imported(with("Verifying\n", otherBytes), "imported\n")(f, e)
				says(deployments.PackagedScript, "of /usr/bin/foo ..5....T.    /usr/bin/foo\n")(f, e)
			}},
		{Name: "file of an imported image that is not compared in time", Want: reports.Skipped, Says: []string{"longer than 1m0s: rpm -Vf --nodeps --noscripts /usr/bin/foo", object},
			Guest: func(f *guesttest.Fake, e *check.Env) {
				imported(with("Verifying\n", otherBytes), "imported\n")(f, e)
				says(deployments.PackagedScript, "cut rpm -Vf --nodeps --noscripts /usr/bin/foo\n")(f, e)
			}},
		{Name: "file of an imported image on a slow guest", Want: reports.Failed, Says: []string{"/usr/bin/foo is damaged"},
			Guest: func(f *guesttest.Fake, e *check.Env) {
				imported(with("Verifying\n", otherBytes), "imported\n")(f, e)
				f.SetScale(10)
				f.On("sh", "-c", deployments.PackagedScript, "sh", guesttest.Any, guesttest.Any, "600").Prints("cut find /sysroot\nof /usr/bin/foo ..5....T.    /usr/bin/foo\n")
			}},
		{Name: "object missing", Want: reports.Failed, Says: []string{"object " + object + ".file of the deployed commit " + booted.Checksum + " is missing"},
			Guest: with("Verifying\n", missing(hosttest.Sum('9'), booted.Checksum)+corrupt)},
		{Name: "object of a layer missing", Guest: with("Verifying\n", missing(hosttest.Sum('9'))+corrupt)},
		{Name: "object of a layer missing, other bytes too", Want: reports.Failed, Says: []string{"Corrupted"}, Guest: imported(with("Verifying\n", missing(hosttest.Sum('9'))+otherBytes), "")},
		{Name: "deployed object of an imported image missing, and other bytes", Want: reports.Failed, Says: []string{"of the deployed commit"},
			Guest: imported(with("Verifying\n", missing(booted.Checksum)+otherBytes), "imported\n")},
		{Name: "folder of an imported image damaged", Want: reports.Failed, Says: []string{"Corrupted dirtree object"}, Guest: imported(with("Verifying\n", strings.ReplaceAll(otherBytes, "file", "dirtree")), "imported\n")},
		{Name: "object of a layer missing, then killed", Want: reports.Errored, Fault: reports.FaultInfra, Says: []string{"killed"}, Guest: with("Verifying\n", missing(hosttest.Sum('9')), 137)},
		{Name: "object missing, then killed", Want: reports.Failed, Says: []string{"of the deployed commit"}, Guest: with("Verifying\n", missing(booted.Checksum), 137)},
		{Name: "object of a layer missing, then another error", Want: reports.Failed, Says: []string{"Input/output error"},
			Guest: with("Verifying\n", missing(hosttest.Sum('9'))+"error: Reading object: Input/output error\n")},
		{Name: "object of a layer missing, then no word", Want: reports.Failed, Says: []string{"ends with status 1"}, Guest: with("Verifying\n", missing(hosttest.Sum('9')))},
		{Name: "damage without an object", Want: reports.Failed, Says: []string{"Repository corruption encountered"}, Guest: with("Verifying\n", corrupt)},
		{Name: "layer marked by an fsck before", Guest: with("Verifying\n"+before, "error: 1 partial commits from fsck-detected corruption\n")},
		{Name: "branch without a commit", Want: reports.Failed, Says: []string{"Loading commit for ref os/stable"}, Guest: with("", "error: Loading commit for ref os/stable: No such metadata object "+object+".commit\n")},
		{Name: "partial commits beside it", Guest: with("2 partial commits not verified\n"+sound, "")},
		{Name: "deployed commit partial", Want: reports.Failed, Says: []string{"calls the deployed commit " + booted.Checksum + " incomplete"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			with(sound, "")(g, e)
			says(deployments.PartialScript, booted.Checksum+"\n")(g, e)
		}},
		{Name: "ends half-way", Want: reports.Failed, Says: []string{"ends with status 0"}, Guest: with("Verifying\n", "")},
		{Name: "without a word", Want: reports.Failed, Says: []string{"ends with status 0"}, Guest: with("", "")},
		{Name: "killed", Want: reports.Errored, Fault: reports.FaultInfra, Guest: with("Verifying\n", "", 137)},
		{Name: "no ostree", Want: reports.Skipped, Says: []string{"ships no ostree"}, Guest: func(g *guesttest.Fake, _ *check.Env) { hosttest.PlanTools(g) }},
		{Name: "lost guest", Want: reports.Errored, Fault: reports.FaultInfra, Guest: func(g *guesttest.Fake, e *check.Env) {
			with(sound, "")(g, e)
			g.On("ostree", "fsck").Fails(&guest.TransportError{Op: "run", Err: errors.New("EOF")})
		}},
	})
}
