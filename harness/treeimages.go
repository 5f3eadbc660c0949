package harness

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"assay/artifact"
	"assay/fixtures/treeimage"
	"assay/harness/trees"
	"assay/suites/check"
)

// treeImages serves the tree's versions as container images.
type treeImages struct {
	*treeimage.Registry
	layout string
	tags   []string // oldest first
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
	return &treeImages{r, layout, tags}, nil
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

// name fills in the images' names and what they are. Of images that were given the
// booted one is known by its digest or label; derived ones are all but the booted one.
func (ti *treeImages) name(t *check.Trees, images []treeimage.Image) {
	t.ImageName, t.FollowImage = atGateway(imagesPort)+"/"+treeImagesName, atGateway(imagesPort)+"/"+followImagesName
	add := func(i treeimage.Image) string {
		name := t.ImageName + ":" + i.Tag
		t.Images = append(t.Images, check.Tree{Image: name, Version: i.Version, Digest: i.Digest})
		return name
	}
	// What is not there for the guest's architecture is no version for it.
	images = slices.DeleteFunc(slices.Clone(images), func(i treeimage.Image) bool { return i.Digest == "" })
	if t.DerivedImages && len(images) > 0 && trees.IsKernel(images[0].Tag) {
		t.KernelImage = add(images[0])
		images = images[1:]
	}
	if len(images) == 0 {
		t.NoImages = "none of the images in " + ti.layout + " is for the guest's architecture"
		return
	}
	last := len(images) - 1
	booted := bootedImage(images, t.Booted)
	if t.DerivedImages {
		booted = last
	}
	if booted != last || t.DerivedImages {
		t.NewerImage = add(images[last])
	}
	for _, i := range slices.Backward(images[:max(booted, 0)]) {
		t.OlderImages = append(t.OlderImages, add(i))
	}
}

// bootedImage is the index of the image that the host was deployed from, -1 if it
// is none of them, or nothing tells which.
func bootedImage(images []treeimage.Image, booted check.Tree) int {
	for _, same := range []func(treeimage.Image) bool{
		func(i treeimage.Image) bool { return i.Digest != "" && i.Digest == booted.Digest },
		func(i treeimage.Image) bool { return i.Version != "" && i.Version == booted.Version },
		func(i treeimage.Image) bool { return i.Version == "" && i.Tag == booted.Version },
	} {
		at := slices.IndexFunc(images, same)
		if at >= 0 && !slices.ContainsFunc(images[at+1:], same) {
			return at
		}
	}
	return -1
}

// goArch is the name that images have for an architecture; that of a guest that
// tells none is the host's.
func goArch(a artifact.Arch) string {
	names := map[artifact.Arch]string{artifact.X8664: "amd64", artifact.AArch64: "arm64"}
	switch {
	case names[a] != "":
		return names[a]
	case a == "":
		return runtime.GOARCH
	}
	return string(a)
}

// servedImages are the images that guests find, which may be there later than
// the port: until then there is no repository.
type servedImages struct{ images atomic.Pointer[treeImages] }

func (si *servedImages) serve(layout string) error {
	ti, err := newTreeImages(layout)
	if err == nil {
		si.images.Store(ti)
	}
	return err
}

func (si *servedImages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if ti := si.images.Load(); ti != nil {
		ti.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}
