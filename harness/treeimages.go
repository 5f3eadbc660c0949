package harness

import (
	"net/http"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"assay/fixtures/treeimage"
	"assay/suites/check"
)

// treeImages serves the tree's versions as container images.
type treeImages struct {
	*treeimage.Registry
	tags []string // oldest first
}

// Names of repositories in the registry: of the versions, and of whatever a host
// follows, where every tag means the newest version.
const (
	treeImagesName   = "assay/os"
	followImagesName = "assay/newest"
)

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

func (ti *treeImages) newest() string { return ti.tags[len(ti.tags)-1] }

// ServeHTTP finds the newest version under every tag of what is followed, and
// blobs under both names.
func (ti *treeImages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rest, ok := strings.CutPrefix(r.URL.Path, "/v2/"+followImagesName+"/"); ok {
		r = r.Clone(r.Context())
		if tag, ok := strings.CutPrefix(rest, "manifests/"); ok && !strings.Contains(tag, ":") { // a colon stands in digests
			rest = "manifests/" + ti.newest()
		}
		r.URL.Path = "/v2/" + treeImagesName + "/" + rest
	}
	ti.Registry.ServeHTTP(w, r)
}

// name fills in the images' names. Of images that were given the booted one is
// known by its version; derived ones are all but the booted one.
func (ti *treeImages) name(t *check.Trees) {
	t.ImageName, t.FollowImage = atGateway(imagesPort)+"/"+treeImagesName, atGateway(imagesPort)+"/"+followImagesName
	full := func(tag string) string { return t.ImageName + ":" + tag }
	if ti.newest() != t.Booted.Version || t.DerivedImages {
		t.NewerImage = full(ti.newest())
	}
	older := slices.Index(ti.tags, t.Booted.Version)
	if t.DerivedImages {
		older = len(ti.tags) - 1
	}
	for _, tag := range slices.Backward(ti.tags[:max(older, 0)]) {
		t.OlderImages = append(t.OlderImages, full(tag))
	}
}

// servedImages are the images that guests find, which may be there later than
// the port: until then there is no repository.
type servedImages struct {
	images atomic.Pointer[treeImages]
	// lacked is when a guest last asked for a layer that is not there.
	lacked atomic.Pointer[lack]
}

type lack struct {
	path string
	at   time.Time
}

func (si *servedImages) serve(layout string) error {
	ti, err := newTreeImages(layout)
	if err == nil {
		si.images.Store(ti)
	}
	return err
}

func (si *servedImages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ti := si.images.Load()
	if ti == nil {
		http.NotFound(w, r)
		return
	}
	answer := &statusWriter{ResponseWriter: w}
	ti.ServeHTTP(answer, r)
	if answer.status == http.StatusNotFound && strings.Contains(r.URL.Path, "/blobs/") {
		si.lacked.Store(&lack{r.URL.Path, time.Now()})
	}
}

// lackedSince says which layer a guest asked for in vain since then, empty for
// none: what failed by that is not the image's fault.
func (si *servedImages) lackedSince(began time.Time) string {
	if l := si.lacked.Load(); l != nil && l.at.After(began) {
		return "a guest asks for " + path.Base(l.path) +
			", a layer of its own image that the update does not carry; give an update with all its layers (--update-image)"
	}
	return ""
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
