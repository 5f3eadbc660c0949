package layering

import (
	"testing"

	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

// ask is a command of rpm-ostree.
func ask(words ...string) []string { return append([]string{"rpm-ostree"}, words...) }

// stages is the status before and after something was staged.
func stages(t *testing.T, next host.Deployment) plan {
	return tells(t, all(booted(base())), all(staged(next), booted(base())))
}

func TestAlreadyLayered(t *testing.T) {
	again := ask("install", "assay-hello")
	same := tells(t, all(staged(onBase("assay-hello")), booted(base())))
	good := func(more ...plan) []plan {
		return append([]plan{same, func(g *guesttest.Fake, _ *check.Env) {
			g.On(again...).Then().Exits(1).Says("error: Package/capability 'assay-hello' is already requested\n")
		}, does("No change.\n", ask("install", "--idempotent", "assay-hello")...), does("", ask("cleanup", "-p")...)}, more...)
	}
	suitetest.Run(t, "layering/already-layered", []suitetest.Case{
		{Name: "healthy", Guest: on(good()...)},
		{Name: "accepted", Want: reports.Failed, Says: []string{"accepts a package that is layered already"}, Guest: on(good(does("", again...))...)},
		{Name: "first one refused", Want: reports.Failed, Says: []string{"cannot layer assay-hello"}, Guest: on(good(fails(1, "error: no\n", again...))...)},
		{Name: "not idempotent", Want: reports.Failed, Says: []string{"cannot take a repeated request with --idempotent"},
			Guest: on(good(fails(1, "error: no\n", ask("install", "--idempotent", "assay-hello")...))...)},
		{Name: "too old for --idempotent", Want: reports.Skipped, Guest: on(good(fails(1, "error: Unknown option --idempotent\n", ask("install", "--idempotent", "assay-hello")...))...)},
		noTool, noPackages,
	})
}

func TestUnsignedAllowed(t *testing.T) {
	install := ask("install", "assay-unsigned")
	suitetest.Run(t, "layering/unsigned-allowed", []suitetest.Case{
		{Name: "healthy", Guest: on(stages(t, onBase("assay-unsigned")), does("", install...))},
		{Name: "refused", Want: reports.Failed, Says: []string{"cannot layer assay-unsigned: error: package cannot be verified"},
			Guest: on(stages(t, base()), fails(1, "error: package cannot be verified\n", install...))},
		{Name: "nothing on top", Want: reports.Failed, Says: []string{"does not list assay-unsigned"}, Guest: on(stages(t, onBase("x")), does("", install...))},
		noTool, noPackages,
	})
	g := guesttest.New(t)
	on(stages(t, onBase("assay-unsigned")), does("", install...))(g, &check.Env{})
	if err := unsignedAllowed(t.Context(), &check.T{Guest: g, Env: check.Env{Packages: served()}, Log: t.Logf}); err != nil {
		t.Fatal(err)
	}
	if text, _ := g.Written(hosttest.RepoFile); text != "[assay]\nname=Assay's packages\nenabled=1\nbaseurl=http://gw:8001/unsigned/\ngpgcheck=0\n" {
		t.Errorf("the repository is %q", text)
	}
}

func TestPendingKept(t *testing.T) {
	good := func(next host.Deployment) []plan {
		return []plan{stages(t, next), does("", ask("install", "assay-hello")...), does("", ask("install", "assay-settings")...)}
	}
	suitetest.Run(t, "layering/pending-kept", []suitetest.Case{
		{Name: "healthy", Guest: on(good(onBase("assay-hello", "assay-settings"))...)},
		{Name: "lost", Want: reports.Failed, Says: []string{"does not list assay-hello"}, Guest: on(good(onBase("assay-settings"))...)},
		{Name: "refused", Want: reports.Failed, Guest: on(append(good(base()), fails(1, "error: no\n", ask("install", "assay-settings")...))...)},
		noTool, noPackages,
	})
}

func TestDryRun(t *testing.T) {
	try := ask("install", "--dry-run", "assay-hello")
	same := tells(t, all(booted(base())))
	const said = "Added:\n  assay-hello-1.0-1.noarch\nExiting because of '--dry-run' option\n"
	suitetest.Run(t, "layering/dry-run", []suitetest.Case{
		{Name: "healthy", Guest: on(same, does(said, try...))},
		{Name: "stages it", Want: reports.Failed, Says: []string{"changes the deployments: there are 2 where there were 1"},
			Guest: on(stages(t, onBase("assay-hello")), does(said, try...), does("", ask("cleanup", "-p")...))},
		{Name: "does not tell the package", Want: reports.Failed, Says: []string{`no word of "assay-hello"`}, Guest: on(same, does("dry-run\n", try...))},
		{Name: "does not say so", Want: reports.Failed, Says: []string{`no word of "dry-run"`}, Guest: on(same, does("assay-hello\n", try...))},
		{Name: "refused", Want: reports.Failed, Guest: on(same, fails(1, "error: no\n", try...))},
		{Name: "too old", Want: reports.Skipped, Guest: on(same, fails(1, "error: Unknown option --dry-run\n", try...))},
		noTool, noPackages,
	})
}

func TestAllowInactive(t *testing.T) {
	request := ask("install", "--allow-inactive", "bash")
	inBase := does("bash\n", "sh", "-c", inBaseScript, "sh")
	inactive := changed(base(), func(d *host.Deployment) { d.Requested = []string{"bash"} })
	told := func(next host.Deployment) plan { return tells(t, all(staged(next), booted(base()))) }
	suitetest.Run(t, "layering/allow-inactive", []suitetest.Case{
		{Name: "healthy", Guest: on(inBase, told(inactive), does("", request...))},
		{Name: "refused", Want: reports.Failed, Says: []string{"cannot request bash of the base with --allow-inactive"}, Guest: on(inBase, told(inactive), fails(1, "error: no\n", request...))},
		{Name: "layered", Want: reports.Failed, Says: []string{`layered "bash"`}, Guest: on(inBase, told(onBase("bash")), does("", request...))},
		{Name: "forgotten", Want: reports.Failed, Says: []string{`has requested ""`}, Guest: on(inBase, told(base()), does("", request...))},
		{Name: "no base package", Want: reports.Skipped, Guest: on(does("\n", "sh", "-c", inBaseScript, "sh"))},
		noTool, noPackages,
	})
}

func TestLocked(t *testing.T) {
	install := ask("install", "assay-hello")
	good := func(more ...plan) []plan {
		return append([]plan{tells(t, all(booted(base()))), does("rpm-ostree:\n Version: '2024.9'\n", ask("--version")...), does("", ask("reload")...),
			func(g *guesttest.Fake, _ *check.Env) { g.TakesFile(daemonFile) },
			fails(1, "error: Cannot operate; `LockLayering=true` in configuration.\n", install...), does("", ask("cleanup", "-p")...)}, more...)
	}
	suitetest.Run(t, "layering/locked", []suitetest.Case{
		{Name: "healthy", Guest: on(good()...)},
		{Name: "accepted", Want: reports.Failed, Says: []string{"accepts to layer with LockLayering=true"}, Guest: on(good(does("", install...))...)},
		{Name: "too old", Want: reports.Skipped, Says: []string{"rpm-ostree 2023.1 has no setting LockLayering, which came with 2023.2"}, Guest: on(good(does(" Version: '2023.1'\n", ask("--version")...))...)},
		{Name: "no version", Want: reports.Failed, Says: []string{"tells no version: x"}, Guest: on(good(does("x\n", ask("--version")...))...)},
		{Name: "no reload", Want: reports.Failed, Says: []string{"does not reload"}, Guest: on(good(fails(1, "error: no\n", ask("reload")...))...)},
		noTool, noPackages,
	})
}

func TestRecommends(t *testing.T) {
	diff := func(added string) string {
		return "ostree diff commit from: x (" + baseSum + ")\nostree diff commit to:   y (" + layerSum + ")\nAdded:\n  assay-recommender-1.0-1.noarch\n" + added
	}
	compare := ask("db", "diff", baseSum, layerSum)
	with := "  assay-hello-1.0-1.noarch\n"
	good := func(first, second string, more ...plan) []plan {
		return append([]plan{tells(t, all(staged(onBase("assay-recommender")), booted(base()))), does("rpm-ostree:\n Version: '2025.1'\n", ask("--version")...),
			does("", ask("reload")...), func(g *guesttest.Fake, _ *check.Env) { g.TakesFile(daemonFile) }, does("", ask("install", "assay-recommender")...),
			does("", ask("cleanup", "-p")...), func(g *guesttest.Fake, _ *check.Env) {
				g.On(compare...).Prints(diff(first)).Then().Prints(diff(second))
			}}, more...)
	}
	suitetest.Run(t, "layering/recommends", []suitetest.Case{
		{Name: "healthy", Guest: on(good("", with)...)},
		{Name: "comes anyway", Want: reports.Failed, Says: []string{"with Recommends=false rpm-ostree still layers assay-hello"}, Guest: on(good(with, with)...)},
		{Name: "never comes", Want: reports.Failed, Says: []string{"with Recommends=true rpm-ostree leaves out assay-hello"}, Guest: on(good("", "")...)},
		{Name: "too old", Want: reports.Skipped, Guest: on(good("", with, does(" Version: '2024.6'\n", ask("--version")...))...)},
		{Name: "cannot compare", Want: reports.Failed, Says: []string{"cannot compare two deployments"}, Guest: on(good("", with, fails(1, "error: no\n", compare...))...)},
		noTool, noPackages,
	})
}

func TestOverrideRefused(t *testing.T) {
	remove, reset := ask("override", "remove", nowhere), ask("override", "reset", nowhere)
	good := func(more ...plan) []plan {
		return append([]plan{tells(t, all(booted(base()))), fails(1, "error: Package \""+nowhere+"\" not found\n", remove...),
			fails(1, "error: No overrides for package '"+nowhere+"'\n", reset...), does("", ask("cleanup", "-p")...)}, more...)
	}
	suitetest.Run(t, "layering/override-refused", []suitetest.Case{
		{Name: "healthy", Guest: on(good()...)},
		{Name: "removes it", Want: reports.Failed, Says: []string{"accepts to remove a package that the base lacks"}, Guest: on(good(does("", remove...))...)},
		{Name: "resets it", Want: reports.Failed, Says: []string{"accepts to reset a package that is not overridden"}, Guest: on(good(does("", reset...))...)},
		noTool,
	})
}

func TestLiveApply(t *testing.T) {
	live := changed(base(), func(d *host.Deployment) { d.LiveCommit = layerSum })
	good := func(more ...plan) []plan {
		return append([]plan{does("apply-live\n", "sh", "-c", liveScript, "sh"), does("", ask("install", "assay-hello")...), does("", ask("apply-live")...),
			does("hello 1.0\n", "assay-hello"), tells(t, all(staged(onBase("assay-hello")), booted(live)))}, more...)
	}
	suitetest.Run(t, "layering/live-apply", []suitetest.Case{
		{Name: "healthy", Guest: on(good()...)},
		{Name: "older", Guest: on(good(does("ex livefs\n", "sh", "-c", liveScript, "sh"), does("", ask("ex", "livefs")...))...)},
		{Name: "not offered", Want: reports.Skipped, Guest: on(good(does("", "sh", "-c", liveScript, "sh"))...)},
		{Name: "fails", Want: reports.Failed, Says: []string{"rpm-ostree apply-live fails"}, Guest: on(good(fails(1, "error: no\n", ask("apply-live")...))...)},
		{Name: "not applied", Want: reports.Failed, Says: []string{"does not run"}, Guest: on(good(fails(127, "not found\n", "assay-hello"))...)},
		{Name: "not told", Want: reports.Failed, Says: []string{"does not tell of it"}, Guest: on(good(tells(t, all(staged(onBase("x")), booted(base()))))...)},
		noTool, noPackages,
	})
}
