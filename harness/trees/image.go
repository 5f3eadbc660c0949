package trees

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/suites/check"
)

//go:embed image.sh
var imageScript string

// imageLimit bounds what a guest tells of its image, which may have hundreds of layers.
const imageLimit = 8 << 20

// Keys of labels and annotations (image-spec, annotations).
const (
	versionLabel = "org.opencontainers.image.version"
	refName      = "org.opencontainers.image.ref.name"
)

// Image is the container image that a host's commit was made of, as the host
// itself keeps it: enough to name its layers without having them.
type Image struct{ manifest, config map[string]any }

// NoImageError means that no update can be derived from a host's image, and why.
type NoImageError struct{ why string }

func (e *NoImageError) Error() string {
	return "none can be derived from the host's own image: " + e.why + "; give one with --update-image"
}

// ReadImage asks a guest for the image of a commit. A *NoImageError says that
// an update cannot build on what the guest keeps.
func ReadImage(ctx context.Context, g guest.Guest, commit string) (*Image, error) {
	r, err := g.Run(ctx, guest.Command{Args: []string{"sh", "-c", imageScript, "image", commit}, Limit: deriveLimit, MaxOutput: imageLimit})
	switch {
	case err != nil:
		return nil, err
	case !r.OK():
		return nil, &NoImageError{r.Said()}
	case r.Truncated:
		return nil, &NoImageError{fmt.Sprintf("the host tells more than %d bytes of it", imageLimit)}
	}
	lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	if len(lines) < 2 {
		return nil, &NoImageError{"commit " + commit + " in the host's ostree repository does not tell of which image it was made"}
	}
	i := &Image{}
	for n, into := range []*map[string]any{&i.manifest, &i.config} {
		if *into, err = readObject(lines[n]); err != nil {
			return nil, &NoImageError{fmt.Sprintf("cannot read its %s in commit %s: %v", []string{"manifest", "configuration"}[n], commit, err)}
		}
	}
	held := map[string]bool{}
	for _, ref := range lines[2:] {
		held[strings.TrimSpace(ref)] = true
	}
	digests, err := i.layers()
	if err != nil {
		return nil, &NoImageError{err.Error()}
	}
	for _, d := range digests {
		if !held[layerRef(d)] {
			return nil, &NoImageError{"the host does not keep layer " + d}
		}
	}
	return i, nil
}

// readObject reads a JSON object in GVariant's text form of a string.
func readObject(text string) (map[string]any, error) {
	text, err := unquoteVariant(text)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if v == nil {
		return nil, errors.New("it is null")
	}
	return v, nil
}

// unquoteVariant undoes GVariant's text form of a string, whose escapes are Go's.
func unquoteVariant(text string) (string, error) {
	if len(text) < 2 || text[0] != '\'' && text[0] != '"' || text[len(text)-1] != text[0] {
		return "", fmt.Errorf("%.40q is no string", text)
	}
	quote, rest := text[0], text[1:len(text)-1]
	var b strings.Builder
	for rest != "" {
		r, _, tail, err := strconv.UnquoteChar(rest, quote)
		if err != nil {
			return "", fmt.Errorf("%.40q: %w", rest, err)
		}
		b.WriteRune(r)
		rest = tail
	}
	return b.String(), nil
}

var digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// layers are the digests of the image's layers.
func (i *Image) layers() ([]string, error) {
	list, _ := i.manifest["layers"].([]any)
	diffs, _ := part(i.config, "rootfs")["diff_ids"].([]any)
	if len(list) == 0 || len(list) != len(diffs) {
		return nil, fmt.Errorf("its manifest has %d layers and its configuration %d", len(list), len(diffs))
	}
	var out []string
	for _, l := range list {
		m, _ := l.(map[string]any)
		d, _ := m["digest"].(string)
		if !digest.MatchString(d) {
			return nil, fmt.Errorf("a layer has the digest %.80q", d)
		}
		out = append(out, d)
	}
	return out, nil
}

// layerRef is the branch by which bootc keeps a layer.
func layerRef(digest string) string {
	return "ostree/container/blob/" + strings.Replace(digest, ":", "_3A_", 1)
}

// part is the object at a key, empty for none.
func part(in map[string]any, key string) map[string]any {
	if o, ok := in[key].(map[string]any); ok {
		return o
	}
	return map[string]any{}
}

// version is what the image calls itself, as a tag: another character becomes a
// dash. Without a label it is "0".
func (i *Image) version() string {
	labels := part(part(i.config, "config"), "Labels")
	for _, key := range []string{versionLabel, "version"} { // as ostree-ext looks for it
		if v, _ := labels[key].(string); v != "" {
			v = strings.TrimLeft(noTag.ReplaceAllString(v, "-"), ".-")
			return cmp.Or(v[:min(len(v), 100)], "0")
		}
	}
	return "0"
}

// noTag is what a tag may not have (distribution-spec).
var noTag = regexp.MustCompile(`[^A-Za-z0-9_.-]`)

// Derive makes an older and a newer version of the image: the same layers, and
// one with the files by which a derived tree differs. They become an OCI layout in
// the new folder dir, oldest first, which holds only what is new: a host that
// pulls has the rest. Before them stands one with another kernel (IsKernel), if
// the release of the image's is given.
func (i *Image) Derive(dir, release string) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("cannot write derived container images: %w", err), os.RemoveAll(dir))
		}
	}()
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return err
	}
	var index []any
	for _, n := range []string{kernelVersion, ".assay.1", ".assay.2"} {
		extra := ""
		switch {
		case n == kernelVersion && release == "":
			continue
		case n == kernelVersion:
			extra = path.Join("usr/lib/modules", release, check.DerivedKernel)
		}
		d, err := i.write(dir, i.version()+n, extra)
		if err != nil {
			return err
		}
		index = append(index, d)
	}
	text, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": index})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "index.json"), text, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644)
}

// IsKernel reports whether the tag of a derived image is that of the one with
// another kernel.
func IsKernel(tag string) bool { return strings.HasSuffix(tag, kernelVersion) }

// write writes one version's blobs but for the layers that the host has, and
// returns its descriptor. extra is a file that this version has more, or empty.
func (i *Image) write(dir, version, extra string) (map[string]any, error) {
	manifest, config := maps.Clone(i.manifest), maps.Clone(i.config)
	settings := maps.Clone(part(config, "config"))
	labels := maps.Clone(part(settings, "Labels"))
	labels[versionLabel] = version
	settings["Labels"], config["config"] = labels, settings
	annotations := maps.Clone(part(manifest, "annotations"))
	annotations[versionLabel], manifest["annotations"] = version, annotations
	layer, diff, err := writeLayer(dir, version, extra)
	if err != nil {
		return nil, err
	}
	if i.docker() {
		layer["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	}
	now := time.Now().UTC().Format(time.RFC3339)
	config["history"] = with(i.history(), map[string]any{"created": now, "created_by": "derived by Assay"})
	manifest["layers"] = with(manifest["layers"], layer)
	rootfs := maps.Clone(part(config, "rootfs"))
	rootfs["diff_ids"] = with(rootfs["diff_ids"], diff)
	config["rootfs"], config["created"] = rootfs, now
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	about := maps.Clone(part(manifest, "config"))
	if about["digest"], err = writeBlob(dir, text); err != nil {
		return nil, err
	}
	about["size"], manifest["config"] = len(text), about
	if text, err = json.Marshal(manifest); err != nil {
		return nil, err
	}
	d, err := writeBlob(dir, text)
	media, ok := manifest["mediaType"].(string)
	if !ok {
		media = "application/vnd.oci.image.manifest.v1+json"
	}
	return map[string]any{"mediaType": media, "digest": d, "size": len(text), "annotations": map[string]any{refName: version}}, err
}

// history has an entry for each layer, where the image's own may have fewer:
// bootc refuses that in an update.
func (i *Image) history() []any {
	list, _ := i.config["history"].([]any)
	layers, _ := i.manifest["layers"].([]any)
	told := 0
	for _, h := range list {
		entry, _ := h.(map[string]any)
		if empty, _ := entry["empty_layer"].(bool); !empty {
			told++
		}
	}
	for ; told < len(layers); told++ {
		list = with(list, map[string]any{"created_by": "not told"})
	}
	return list
}

// docker reports an image in the form of docker's second schema.
func (i *Image) docker() bool {
	media, _ := part(i.manifest, "config")["mediaType"].(string)
	return strings.HasPrefix(media, "application/vnd.docker.")
}

// with is the list in v with one element more.
func with(v, element any) []any {
	list, _ := v.([]any)
	return append(slices.Clone(list), element)
}

// writeLayer writes the layer by which a derived tree differs, and returns its
// descriptor and the digest of its plain archive.
func writeLayer(dir, version, extra string) (layer map[string]any, diff string, err error) {
	var plain, packed bytes.Buffer
	tw := tar.NewWriter(&plain)
	made := map[string]bool{}
	// An image's /etc is the tree's /usr/etc.
	for _, file := range []string{strings.TrimPrefix(check.DerivedFile, "/"), "usr" + check.DerivedEtc, extra} {
		if file == "" {
			continue
		}
		for n, c := range file {
			if d := file[:n]; c == '/' && !made[d] {
				made[d] = true
				err = errors.Join(err, tw.WriteHeader(&tar.Header{Name: d + "/", Typeflag: tar.TypeDir, Mode: 0o755}))
			}
		}
		err = errors.Join(err, tw.WriteHeader(&tar.Header{Name: file, Mode: 0o644, Size: int64(len(version) + 1)}))
		_, werr := tw.Write([]byte(version + "\n"))
		err = errors.Join(err, werr)
	}
	err = errors.Join(err, tw.Close())
	zw := gzip.NewWriter(&packed)
	_, werr := zw.Write(plain.Bytes())
	if err = errors.Join(err, werr, zw.Close()); err != nil {
		return nil, "", err
	}
	d, err := writeBlob(dir, packed.Bytes())
	return map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": d, "size": packed.Len()}, sum(plain.Bytes()), err
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(h[:])
}

// writeBlob writes a blob of an OCI layout and returns its digest.
func writeBlob(dir string, b []byte) (string, error) {
	d := sum(b)
	return d, os.WriteFile(filepath.Join(dir, "blobs", strings.Replace(d, ":", "/", 1)), b, 0o644)
}
