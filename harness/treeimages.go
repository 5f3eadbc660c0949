package harness

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

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

// servedImages are the images that guests find, which may be there later than
// the port: until then there is no repository.
type servedImages struct{ atomic.Pointer[treeImages] }

func (si *servedImages) serve(layout string) error {
	ti, err := newTreeImages(layout)
	if err == nil {
		si.Store(ti)
	}
	return err
}

func (si *servedImages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if ti := si.Load(); ti != nil {
		ti.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

// ServeHTTP answers every tag that is no version with the newest, so that a host
// finds its update under whatever tag it follows.
func (ti *treeImages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const manifests = "/v2/" + treeImagesName + "/manifests/"
	tag, ok := strings.CutPrefix(r.URL.Path, manifests)
	if ok && !strings.Contains(tag, ":") && !slices.Contains(ti.tags, tag) { // a colon stands in digests
		r = r.Clone(r.Context())
		r.URL.Path = manifests + ti.tags[len(ti.tags)-1]
	}
	ti.Registry.ServeHTTP(w, r)
}

// name fills in the images' names. The booted one is known by its version.
func (ti *treeImages) name(t *check.Trees) {
	t.ImageName = atGateway(imagesPort) + "/" + treeImagesName
	full := func(tag string) string { return t.ImageName + ":" + tag }
	if newest := ti.tags[len(ti.tags)-1]; newest != t.Booted.Version {
		t.NewerImage = full(newest)
	}
	if at := slices.Index(ti.tags, t.Booted.Version); at >= 0 {
		t.BootedImage = full(ti.tags[at])
		for _, tag := range slices.Backward(ti.tags[:at]) {
			t.OlderImages = append(t.OlderImages, full(tag))
		}
	}
}
