package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/fixtures/refimage"
	"assay/harness/guest/guesttest"
	"assay/harness/host"
	"assay/harness/host/hosttest"
	"assay/reports"
	"assay/suites/check"
)

var packagesOfTests = &check.Packages{URL: "http://gw:8001/", Key: "KEY\n", Names: map[string]string{"friend": "a", "settings": "b", "service": "c"}}

func TestLayerAll(t *testing.T) {
	for tool, install := range map[host.Tool][]string{
		host.RPMOSTree:  {"rpm-ostree", "install", "a", "b", "c"},
		host.AtomicHost: {"atomic", "host", "install", "a", "b", "c"},
	} {
		g := guesttest.New(t)
		hosttest.PlanTools(g, tool, host.OSTree)
		hosttest.PlanPackages(g)
		did := g.On(install...)
		d, names, err := layerAll(t.Context(), g, packagesOfTests)
		if err != nil || d.Tool() != tool || strings.Join(names, " ") != "a b c" || did.Used() != 1 {
			t.Fatalf("%s: %v layered %q %d times, %v", tool, d, names, did.Used(), err)
		}
		for layered, well := range map[string]bool{"a b c": true, "a c": false} {
			now := host.Deployment{OSName: "os", Checksum: hosttest.Sum('b'), BaseChecksum: hosttest.Sum('a'), Booted: true,
				Layered: strings.Fields(layered), Requested: strings.Fields(layered)}
			hosttest.PlanStatus(t, g, tool, []host.Deployment{now})
			if err := areLayered(t.Context(), d, names); (err == nil) != well {
				t.Errorf("%s: %q are layered: %v", tool, layered, err)
			}
		}
	}
}

func TestLayerAllWithoutATool(t *testing.T) {
	g := guesttest.New(t)
	hosttest.PlanTools(g, host.OSTree)
	if _, _, err := layerAll(t.Context(), g, packagesOfTests); err == nil {
		t.Error("something layered packages where there is no tool for it")
	}
}

// TestLayeredStateIsMadeOnce boots the reference image that layers, and has two
// checks start from packages that are layered already.
func TestLayeredStateIsMadeOnce(t *testing.T) {
	cache := longTest(t, "three boots")
	img, err := refimage.Ensure(t.Context(), refimage.Options{Flavour: refimage.RPMOSTree, Cache: cache, Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	run, err := Run(t.Context(), Options{Image: img.QCOW2, Results: filepath.Join(t.TempDir(), "results"), Cache: cache,
		Selection: Selection{Checks: []string{"layering/service", "layering/rollback-removes"}}, Progress: func(p Progress) { t.Log(p.Text) }})
	if err != nil {
		t.Fatal(err)
	}
	made, forked := 0, 0
	for _, s := range run.Timeline {
		if s.Kind == "save" && s.Name == string(check.Layered) {
			made++
		}
		if s.Kind == "suite" && strings.HasSuffix(s.Name, "@layered") {
			forked++
		}
	}
	if run.Verdict != reports.Accepted || made != 1 || forked != 2 {
		t.Errorf("%s (%s): the state was made %d times, for %d jobs", run.Verdict, run.Reason, made, forked)
	}
	for _, n := range run.Notes {
		if strings.Contains(n, "layers them itself") {
			t.Error(n)
		}
	}
}
