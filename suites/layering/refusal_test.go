package layering

import (
	"errors"
	"testing"

	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

// TestRefusals asks each refusal what all have in common; said are the words of
// a real tool.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		id   reports.CaseID
		said string
		args []string
		// named is what the words must name; empty where nothing must be.
		named string
	}{
		{"unknown-package", "error: Packages not found: " + nowhere, []string{"install", nowhere}, nowhere},
		{"not-requested", "error: Package/capability '" + nowhere + "' is not currently requested", []string{"uninstall", nowhere}, nowhere},
		{"conflicting", "error: Could not depsolve transaction; 1 problem detected:\n Problem: package assay-conflicting-1.0-1.noarch conflicts with assay-hello",
			[]string{"install", "assay-hello", "assay-conflicting"}, "assay-conflicting"},
		{"file-clash", "error: Checkout assay-clashing-1.0-1.noarch: Hardlinking 4b/x.file to assay-hello: File exists", []string{"install", "assay-hello", "assay-clashing"}, "assay-hello"},
		{"needy", "error: Could not depsolve transaction; 1 problem detected:\n Problem: nothing provides assay-nowhere >= 3 needed by assay-needy-1.0-1.noarch",
			[]string{"install", "assay-needy"}, "assay-needy"},
		{"failing-script", "error: Running %prein for assay-failing: bwrap(/bin/sh): Child process exited with code 3", []string{"install", "assay-failing"}, "assay-failing"},
		{"unsigned", "error: package assay-unsigned-1.0-1.noarch cannot be verified and repo assay is GPG enabled: no signature", []string{"install", "assay-unsigned"}, "assay-unsigned"},
		{"non-root", "error: This command requires root privileges", []string{"install", "assay-hello"}, ""},
		{"inactive-request", "error: \"bash\" is already provided by: bash-5.2-1.x86_64. Use --allow-inactive to explicitly require it.", []string{"install", "bash"}, "--allow-inactive"},
	} {
		args := append([]string{"rpm-ostree"}, c.args...)
		same := tells(t, all(booted(base())))
		words := func(said string) plan { return fails(1, said+"\n", args...) }
		inBase := does("bash\n", "sh", "-c", inBaseScript, "sh")
		clean := does("", "rpm-ostree", "cleanup", "-p")
		cases := []suitetest.Case{
			{Name: "healthy", Guest: on(same, inBase, words(c.said))},
			{Name: "accepted", Want: reports.Failed, Says: []string{"rpm-ostree accepts "}, Guest: on(same, inBase, clean, does("Staging deployment... done\n", args...))},
			{Name: "ends well", Want: reports.Failed, Says: []string{"it ends well and says no-change"}, Guest: on(same, inBase, clean, does("No change.\n", args...))},
			{Name: "staged all the same", Want: reports.Failed, Says: []string{"deployments are changed all the same: there are 2 where there were 1"},
				Guest: on(tells(t, all(booted(base())), all(staged(onBase("x")), booted(base()))), inBase, clean, words(c.said))},
			{Name: "changed in place", Want: reports.Failed, Says: []string{"changed all the same: in deployment aaaaaaaaaaaa Pinned"},
				Guest: on(tells(t, all(booted(base())), all(booted(changed(base(), func(d *host.Deployment) { d.Pinned = true })))), inBase, clean, words(c.said))},
			{Name: "another reason", Want: reports.Failed, Says: []string{"for another reason (no-space)"}, Guest: on(same, inBase, words("error: No space left on device: "+c.named))},
			{Name: "our server", Want: reports.Errored, Fault: reports.FaultInfra, Says: []string{"server does not answer"},
				Guest: on(same, inBase, words("error: Curl error (7): Couldn't connect to server"))},
			{Name: "busy", Want: reports.Errored, Fault: reports.FaultInfra, Says: []string{"busy with something else all the time"},
				Guest: on(same, inBase, impatient, words("error: Transaction in progress: upgrade"))},
			{Name: "lost guest", Want: reports.Errored, Fault: reports.FaultInfra, Guest: on(same, inBase, lost(args...))},
			{Name: "cannot clean up", Want: reports.Failed, Guest: on(same, inBase, fails(1, "error: busy\n", "rpm-ostree", "cleanup", "-p"), does("", args...))},
			noTool,
		}
		if c.named != "" {
			cases = append(cases, suitetest.Case{Name: "no plain message", Want: reports.Failed, Says: []string{"without a word of \"" + c.named}, Guest: on(same, inBase, words("error: it failed"))})
		} else {
			cases = append(cases, suitetest.Case{Name: "no plain message", Want: reports.Failed, Says: []string{"does not say why"}, Guest: on(same, inBase, words("error: it failed"))})
		}
		t.Run(string(c.id), func(t *testing.T) { suitetest.Run(t, "layering/"+c.id, cases) })
	}
}

// TestRepositoriesComeBack holds refusals to leaving a shared guest as it was.
func TestRepositoriesComeBack(t *testing.T) {
	g := guesttest.New(t)
	on(tells(t, all(booted(base()))), fails(1, "error: Packages not found: "+nowhere+"\n", "rpm-ostree", "install", nowhere))(g, &check.Env{})
	back := hosttest.PlanPackages(g)
	tt := &check.T{Guest: g, Env: check.Env{Packages: served()}, Log: t.Logf}
	for _, r := range check.All() {
		if r.ID() == "layering/unknown-package" {
			if err := r.Run(t.Context(), tt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if back.Used() != 1 {
		t.Errorf("the repositories were brought back %d times", back.Used())
	}
	text, _ := g.Written(hosttest.RepoFile)
	if want := "[assay]\nname=Assay's packages\nenabled=1\nbaseurl=http://gw:8001/\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-assay\n"; text != want {
		t.Errorf("the repository is %q, want %q", text, want)
	}
	hosttest.PlanPackages(g).Fails(errors.New("gone"))
	(&layer{t: tt}).restore(t.Context()) // only noted
}

// TestInactiveRequestOnImages: where the host follows a container image,
// rpm-ostree since 2026.1 takes a package of the base as an inactive request.
func TestInactiveRequestOnImages(t *testing.T) {
	image := changed(base(), func(d *host.Deployment) {
		d.Image = &host.Image{Name: "q.test/os:1", Transport: "registry", Digest: "sha256:d"}
	})
	const said = "Inactive requests:\n  bash (already provided by bash-5.2-1.x86_64)\nStaging deployment... done\n"
	good := func(of host.Deployment, said string) func(*guesttest.Fake, *check.Env) {
		return on(tells(t, all(booted(of))), does("bash\n", "sh", "-c", inBaseScript, "sh"), does("", "rpm-ostree", "cleanup", "-p"), does(said, ask("install", "bash")...))
	}
	suitetest.Run(t, "layering/inactive-request", []suitetest.Case{
		{Name: "listed", Want: reports.Skipped, Says: []string{"follows a container image"}, Guest: good(image, said)},
		{Name: "not listed", Want: reports.Failed, Says: []string{"rpm-ostree accepts package bash"}, Guest: good(image, "Staging deployment... done\n")},
		{Name: "no image", Want: reports.Failed, Says: []string{"rpm-ostree accepts package bash"}, Guest: good(base(), said)},
	})
}
