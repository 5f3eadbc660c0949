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
	"assay/suites/suitetest"
)

func TestOSTreeRepository(t *testing.T) {
	const sound = "Verifying\nobject fsck of 3 commits completed successfully - no errors found.\n"
	object := strings.Repeat("e", 64)
	booted := deployment(func(d *host.Deployment) { d.Booted = true })
	// with is a guest whose fsck says this, as libostree prints it.
	with := func(stdout, stderr string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) {
			hosttest.PlanTools(g, host.OSTree)
			hosttest.PlanStatus(t, g, host.OSTree, []host.Deployment{booted})
			g.On("sh", "-c", partialScript, "sh", booted.Checksum)
			p := g.On("ostree", "fsck").Prints(stdout)
			if stderr != "" {
				p.Says(stderr).Exits(1)
			}
		}
	}
	const corrupt = "error: Repository corruption encountered\n"
	missing := func(commits ...string) string {
		return "Object missing in commits " + strings.Join(commits, ", ") + ": " + object + ".file\nMarking commit as partial: " + commits[0] + "\n"
	}
	suitetest.Run(t, "base/ostree-repository", []suitetest.Case{
		{Name: "whole", Guest: with(sound, "")},
		{Name: "other bytes", Want: reports.Failed, Says: []string{"fsck content object " + object, "Corrupted file object"}, Guest: with("Verifying\n",
			"error: In commits "+booted.Checksum+": fsck content object "+object+": Corrupted file object; checksum expected='"+object+"' actual='"+hosttest.Sum('f')+"'\n")},
		{Name: "object missing", Want: reports.Failed, Says: []string{"object " + object + ".file of the deployed commit " + booted.Checksum + " is missing"},
			Guest: with("Verifying\n", missing(hosttest.Sum('9'), booted.Checksum)+corrupt)},
		{Name: "object of a layer missing", Guest: with("Verifying\n", missing(hosttest.Sum('9'))+corrupt)},
		{Name: "object of a layer missing, other bytes too", Want: reports.Failed, Says: []string{"Corrupted"}, Guest: with("Verifying\n",
			missing(hosttest.Sum('9'))+"error: In commits "+booted.Checksum+": fsck content object "+object+": Corrupted file object; checksum expected='x' actual='y'\n")},
		{Name: "branch without a commit", Want: reports.Failed, Says: []string{"Loading commit for ref os/stable"}, Guest: with("", "error: Loading commit for ref os/stable: No such metadata object "+object+".commit\n")},
		{Name: "partial commits beside it", Guest: with("2 partial commits not verified\n"+sound, "")},
		{Name: "deployed commit partial", Want: reports.Failed, Says: []string{"calls the deployed commit " + booted.Checksum + " incomplete"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			with(sound, "")(g, e)
			says(partialScript, booted.Checksum+"\n")(g, e)
		}},
		{Name: "killed half-way", Want: reports.Failed, Guest: with("Verifying\n", "")},
		{Name: "no ostree", Want: reports.Skipped, Says: []string{"ships no ostree"}, Guest: func(g *guesttest.Fake, _ *check.Env) { hosttest.PlanTools(g) }},
		{Name: "lost guest", Want: reports.Errored, Fault: reports.FaultInfra, Guest: func(g *guesttest.Fake, e *check.Env) {
			with(sound, "")(g, e)
			g.On("ostree", "fsck").Fails(&guest.TransportError{Op: "run", Err: errors.New("EOF")})
		}},
	})
}
