package harness

import (
	"slices"

	"assay/fixtures/treeimage"
	"assay/suites/check"
)

// treeImages serves the tree's versions as container images.
type treeImages struct {
	*treeimage.Registry
	tags []string // oldest first
}

// treeImagesName is the repository's name in the registry.
const treeImagesName = "assay/os"

func newTreeImages(layout string) (*treeImages, error) {
	tags, err := treeimage.Tags(layout)
	if err != nil {
		return nil, err
	}
	r, err := treeimage.NewRegistry(layout, treeImagesName)
	if err != nil {
		return nil, err
	}
	return &treeImages{r, tags}, nil
}

// publish makes a tag mean the newest version.
func (ti *treeImages) publish(tag string) error {
	if slices.Contains(ti.tags, tag) {
		return nil
	}
	_, err := ti.Tag(tag, ti.tags[len(ti.tags)-1])
	return err
}

// name fills in the images' names. The booted one is known by its version.
func (ti *treeImages) name(t *check.Trees) {
	t.ImageName = atGateway(imagesPort) + "/" + treeImagesName
	full := func(tag string) string { return t.ImageName + ":" + tag }
	t.NewerImage = full(ti.tags[len(ti.tags)-1])
	if at := slices.Index(ti.tags, t.Booted.Version); at >= 0 {
		t.BootedImage = full(ti.tags[at])
		for _, tag := range slices.Backward(ti.tags[:at]) {
			t.OlderImages = append(t.OlderImages, full(tag))
		}
	}
}
