package disk

import (
	"archive/tar"
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
)

// Bounds on a box: real ones have three or four members and one disk.
const (
	maxBoxMembers  = 1000
	maxBoxDisks    = 8
	maxBoxMetadata = 64 << 10
	// maxBoxGiB bounds the size metadata.json may state.
	maxBoxGiB = 1 << 20
)

// boxMetadata is what metadata.json in a box for vagrant-libvirt says: a classic box has
// "format" and "virtual_size" of box.img, a newer one a list of disks.
type boxMetadata struct {
	Provider    string   `json:"provider"`
	Format      string   `json:"format"`
	VirtualSize *float64 `json:"virtual_size"` // GiB
	Disks       []struct {
		Path   string `json:"path"`
		Format string `json:"format"`
	} `json:"disks"`
}

// boxContent is what was found in a box.
type boxContent struct{ metadata boxMetadata }

const boxNext = "Name a Vagrant box made for the libvirt provider."

// parseBoxMetadata accepts what this program can boot.
func parseBoxMetadata(b []byte) (boxMetadata, *InputError) {
	var m boxMetadata
	if err := json.Unmarshal(b, &m); err != nil {
		return m, badInput(boxNext, "its metadata.json is not as expected: %v", err)
	}
	switch {
	case m.Provider != "libvirt":
		return m, badInput(boxNext, "it is a Vagrant box for the provider %.40q", m.Provider)
	case m.Format != "" && m.Format != "qcow2", m.Format == "" && len(m.Disks) == 0:
		return m, badInput(boxNext, "its metadata.json names the format %.40q; only qcow2 is supported", m.Format)
	case m.VirtualSize != nil && (*m.VirtualSize <= 0 || *m.VirtualSize > maxBoxGiB):
		return m, badInput(boxNext, "its metadata.json states a virtual_size of %g GiB", *m.VirtualSize)
	case len(m.Disks) > maxBoxDisks:
		return m, badInput("", "its metadata.json lists %d disks; more than %d are refused", len(m.Disks), maxBoxDisks)
	}
	seen := map[string]bool{}
	for _, d := range m.Disks {
		if !diskName.MatchString(d.Path) || seen[d.Path] {
			return m, badInput(boxNext, "its metadata.json lists a disk with the path %.80q", d.Path)
		}
		if d.Format != "" && d.Format != "qcow2" {
			return m, badInput(boxNext, "its metadata.json names the format %.40q for %s; only qcow2 is supported", d.Format, d.Path)
		}
		seen[d.Path] = true
	}
	return m, nil
}

var diskName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// disks are the names of the members that are disks, the one that boots first.
func (m boxMetadata) disks() []string {
	if len(m.Disks) == 0 {
		return []string{"box.img"}
	}
	var names []string
	for _, d := range m.Disks {
		names = append(names, d.Path)
	}
	return names
}

// compare tells where metadata.json and the disk differ, which Vagrant bears.
func (b *boxContent) compare(virtualSize int64) []string {
	if v := b.metadata.VirtualSize; v != nil && *v*(1<<30) < float64(virtualSize) {
		return []string{fmt.Sprintf("the box's metadata.json states a virtual_size of %g GiB, its disk has %s", *v, bytesText(virtualSize))}
	}
	return nil
}

// boxMember returns the cleaned name of a member, or refuses the archive: a box is read by many
// programs, and one that tries to escape or to confuse is not worth booting.
func boxMember(h *tar.Header, seen map[string]bool) (string, *InputError) {
	refuse := func(what string) (string, *InputError) {
		return "", badInput("Do not use this box.", "the archive has a member %.80q %s", h.Name, what)
	}
	if strings.HasPrefix(h.Name, "/") || strings.ContainsAny(h.Name, "\x00\\") {
		return refuse("whose name is not a relative path")
	}
	for part := range strings.SplitSeq(h.Name, "/") {
		if part == ".." {
			return refuse("whose name leads out of the archive")
		}
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeDir, tar.TypeXGlobalHeader:
	case tar.TypeSymlink, tar.TypeLink:
		return refuse(fmt.Sprintf("that is a link to %.80q", h.Linkname))
	default:
		return refuse("that is not a regular file")
	}
	name := path.Clean(h.Name)
	if h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeXGlobalHeader {
		return name, nil
	}
	if name == "." {
		return refuse("without a name")
	}
	if seen[name] {
		return refuse("twice")
	}
	seen[name] = true
	return name, nil
}

// readBox extracts the disks of a box into temporary files named by us, and nothing
// else. metadata.json may come after the disks, so every member that is a qcow2 is kept until it is known which are disks.
// On success i.temps are the disks in their order.
func (i *importing) readBox(r io.Reader) (*boxContent, error) {
	var meta *boxMetadata
	kept, seen := map[string]*tempFile{}, map[string]bool{}
	tr := tar.NewReader(r)
	for members := 0; ; members++ {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		// boxMember judges the names itself.
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return nil, tarError(err)
		}
		if members == maxBoxMembers {
			return nil, badInput(boxNext, "the archive has more than %d members", maxBoxMembers)
		}
		name, bad := boxMember(h, seen)
		switch {
		case bad != nil:
			return nil, bad
		case h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeGNUSparse:
		case h.Size > i.limit:
			return nil, tooLarge(i.limit)
		case name == "metadata.json":
			if meta, err = readBoxMetadata(tr, h.Size); err != nil {
				return nil, err
			}
		case diskName.MatchString(name) && (meta == nil || contains(meta.disks(), name)):
			t, err := i.keepDisk(tr, len(kept))
			if err != nil {
				return nil, tarError(err)
			}
			if t != nil {
				kept[name] = t
			}
		}
	}
	if meta == nil {
		return nil, badInput(boxNext, "it is a tar archive without a metadata.json, so not a Vagrant box")
	}
	i.temps = i.temps[:0]
	var missing string
	for _, name := range meta.disks() {
		if t := kept[name]; t != nil {
			i.temps = append(i.temps, t)
			delete(kept, name)
		} else if missing == "" {
			missing = name
		}
	}
	for _, t := range kept {
		t.discard()
	}
	if missing != "" {
		if seen[missing] {
			return nil, badInput(boxNext, "the member %s of the box is not a qcow2", missing)
		}
		return nil, badInput(boxNext, "the box has no %s, which its metadata.json calls for", missing)
	}
	return &boxContent{*meta}, nil
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func readBoxMetadata(r io.Reader, size int64) (*boxMetadata, error) {
	if size > maxBoxMetadata {
		return nil, badInput(boxNext, "its metadata.json has %s; more than %s is refused", bytesText(size), bytesText(maxBoxMetadata))
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, tarError(err)
	}
	m, bad := parseBoxMetadata(b)
	if bad != nil {
		return nil, bad
	}
	return &m, nil
}

// keepDisk saves a member that is a qcow2; nil for one that is not.
func (i *importing) keepDisk(r io.Reader, have int) (*tempFile, error) {
	br := bufio.NewReaderSize(r, headSize)
	head, err := br.Peek(headSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if k, _ := recognise(head); k != kindQCOW2 {
		return nil, nil
	}
	if have == maxBoxDisks {
		return nil, badInput(boxNext, "the archive has more than %d disks", maxBoxDisks)
	}
	if _, bad := parseQCOW2(head, i.opt.MaxVirtual); bad != nil {
		return nil, bad
	}
	return i.save(br)
}

// tarError tells damage of the archive from what came from below or from writing.
func tarError(err error) error {
	var in *InputError
	var we *writeError
	switch {
	case errors.As(err, &in), errors.As(err, &we):
		return err
	case errors.Is(err, tar.ErrHeader), errors.Is(err, tar.ErrFieldTooLong), errors.Is(err, io.ErrUnexpectedEOF):
		return badInput("Fetch the box again and compare its checksum.", "its tar archive is damaged or cut short: %v", err)
	}
	return err
}
