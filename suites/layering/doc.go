// Package layering is the criterion of package layering (S8): packages go on
// top of the tree, come with the next boot, outlive upgrades, leave with a
// rollback or an uninstall, and bad ones are refused before anything is staged.
// Overrides of base packages, the initramfs made on the host and rpm in an
// unlocked /usr belong to it. A host that layers no packages skips all of it.
//
// The packages come from a repository that the harness serves; the image's own
// repositories, which a guest cannot reach, are set aside meanwhile. Where both
// rpm-ostree and atomic host are there the criterion asks for both.
package layering

import "assay/suites/check"

var suite = check.Suite{
	Name:      "layering",
	Criterion: "S8",
	Title:     "packages can be layered, kept and taken away again, and bad ones are refused",
}

// Purposes of packages in check.Packages.
const (
	hello        = "hello"
	friend       = "friend"
	service      = "service"
	settings     = "settings"
	recommender  = "recommender"
	unsigned     = "unsigned"
	conflicting  = "conflicting"
	clashing     = "clashing"
	needy        = "needy"
	failing      = "failing"
	greetingNext = "greeting-next"
)
