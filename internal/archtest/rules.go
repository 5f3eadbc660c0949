// Package archtest states which package may import which, and its test
// enforces it. The reasons stand beside the rules; docs/architecture.md has the
// picture. It is a test's subject and nothing imports it.
package archtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// rule is what the packages of one folder may import of ours. The longest folder that
// holds a package is the one whose rule counts.
type rule struct {
	folder string
	// may lists folders; "x" is the package x alone, "x/..." with all below it. Its own
	// folder is always allowed.
	may []string
	why string
}

var rules = []rule{
	{"artifact", nil, "it is the vocabulary of everyone"},
	{"cloudinit", nil, "a seed knows nothing of who boots it"},
	{"reports", []string{"artifact"}, "results outlive the harness that made them"},
	{"internal/archtest", nil, "it reads imports and needs none"},

	{"harness", []string{"artifact", "cloudinit", "reports/...", "suites/check", "fixtures/registry", "fixtures/containers", "fixtures/packages", "fixtures/treeimage"},
		"it plans checks without knowing any, and serves images it makes itself"},
	{"harness/accel", nil, "a leaf"},
	{"harness/capacity", nil, "a leaf"},
	{"harness/emulator", nil, "a leaf"},
	{"harness/keeper", nil, "it must work when everything else is broken"},
	{"harness/network", nil, "a leaf"},
	{"harness/console", []string{"reports"}, "findings name the check they fail"},
	{"harness/disk", []string{"artifact"}, "images are files"},
	{"harness/machine", []string{"artifact", "cloudinit", "harness/accel", "harness/disk", "harness/emulator", "harness/network", "harness/console"},
		"one guest's life, without what is judged in it"},
	{"harness/guest", []string{"artifact", "reports"}, "the contract between harness and suites belongs to neither; a guest's account of itself is in words of the report"},
	{"harness/host", []string{"harness/guest"}, "host tools are commands in a guest"},
	{"harness/livedin", []string{"harness/guest"}, "marks are commands in a guest"},
	{"harness/usercheck", []string{"reports", "harness/guest", "suites/check"}, "it makes checks of files, and a plan of nothing"},
	{"harness/trees", []string{"harness/guest", "harness/host", "suites/check"}, "what is served and what checks are told of it"},
	{"harness/doctor", []string{"artifact", "harness/accel", "harness/capacity", "harness/machine"}, "it looks at hosts, not at images"},

	{"suites", []string{"artifact", "reports", "harness/guest", "harness/host", "harness/livedin"},
		"a suite is handed a guest; it neither makes one nor decides about releases"},
	{"fixtures", []string{"artifact", "cloudinit", "harness/disk"}, "what is tested does not depend on the tester"},
	{"fixtures/corpus", []string{"reports", "fixtures/...", "harness/emulator"}, "it runs assay as a program and reads what that wrote"},
	{"fixtures/cmd", []string{"fixtures/..."}, "commands put fixtures together"},
	{"release", []string{"artifact", "reports/..."}, "the release stage judges evidence and cannot boot anything"},
	{"cmd", []string{"..."}, "it wires everything"},
	{"examples", nil, "examples are modules of their own"},
}

// isKit reports a package that exists for tests: shipped code never imports it.
// The ten weeks of the release stage are such, and so is their demo.
func isKit(pkg string) bool {
	return strings.HasSuffix(path.Base(pkg), "test") || within(pkg, "release/scenario/...")
}

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// violations checks one package of the module.
func violations(module string, p pkg) (out []string) {
	own, _ := strings.CutPrefix(p.ImportPath, module+"/")
	r, ok := ruleOf(own)
	if !ok {
		return []string{fmt.Sprintf("%s: no rule says what it may import; add one to internal/archtest/rules.go", own)}
	}
	for _, i := range p.Imports {
		dep, ours := strings.CutPrefix(i, module+"/")
		if !ours {
			continue
		}
		switch {
		case within(dep, "cmd/..."):
			out = append(out, fmt.Sprintf("%s imports %s: nothing imports a command", own, dep))
		case isKit(dep) && !isKit(own):
			out = append(out, fmt.Sprintf("%s imports %s: shipped code imports no test kit", own, dep))
		case isKit(own) && !within(dep, "release/..."):
			// A kit may use whatever its tests need.
		case within(dep, "fixtures/...") && within(own, "cmd/assay"):
			out = append(out, fmt.Sprintf("%s imports %s: the product does not ship its fixtures", own, dep))
		case within(dep, r.folder+"/...") && !isSubRule(dep, r.folder):
			// Its own folder.
		case own == r.folder && within(dep, r.folder+"/..."):
			// The root of a folder puts its parts together.
		case !slices.ContainsFunc(r.may, func(m string) bool { return within(dep, m) }):
			out = append(out, fmt.Sprintf("%s imports %s: %s", own, dep, r.why))
		}
	}
	for _, i := range slices.Concat(p.TestImports, p.XTestImports) {
		if dep, ours := strings.CutPrefix(i, module+"/"); ours && within(dep, "cmd/...") {
			out = append(out, fmt.Sprintf("the tests of %s import %s: nothing imports a command", own, dep))
		}
	}
	return out
}

func ruleOf(own string) (best rule, ok bool) {
	for _, r := range rules {
		if within(own, r.folder+"/...") && len(r.folder) >= len(best.folder) {
			best, ok = r, true
		}
	}
	return best, ok
}

// isSubRule reports whether a deeper folder than this has a rule of its own for dep.
func isSubRule(dep, folder string) bool {
	r, _ := ruleOf(dep)
	return r.folder != folder
}

// within matches a package against "x" or "x/...".
func within(p, pattern string) bool {
	if pattern == "..." {
		return true
	}
	folder, deep := strings.CutSuffix(pattern, "/...")
	return p == folder || deep && strings.HasPrefix(p, folder+"/")
}
