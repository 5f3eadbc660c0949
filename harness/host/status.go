package host

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Status is what a tool tells of its host.
type Status struct {
	Tool Tool
	// Deployments are in boot order: the first boots next.
	Deployments []Deployment
	// Busy is the transaction under way as the tool names it; empty when idle
	// or when the tool does not tell.
	Busy string
	// Update is the newer tree that the tool knows of and has not deployed; nil
	// when it knows of none.
	Update *Update
}

// Deployment is one bootable tree of a host. What a tool does not tell is the
// zero value, so two deployments are comparable only as told by one tool.
type Deployment struct {
	// OSName is the stateroot; Serial tells two deployments of one commit apart.
	OSName string
	Serial int
	// Checksum is the ostree commit that is deployed, of a composefs host its
	// fs-verity digest. Text for people has perhaps ten digits of it (see
	// SameChecksum), or none where packages are layered.
	Checksum string
	// BaseChecksum is the commit that packages were layered on, Checksum when
	// none were.
	BaseChecksum string
	// Version and Timestamp are those of the base commit; zero when it has none.
	Version   string
	Timestamp time.Time
	// Origin is the refspec ("remote:ref" or "ref") that upgrades follow; empty
	// when that is a container image, or unknown. Image is nil without one.
	Origin string
	Image  *Image

	// Booted is the running one. Pending boots next if it is not the booted one;
	// Staged is one whose boot entry is only written at shutdown (then Pending
	// is set, too). Rollback is the next after the booted one. They are worked
	// out from the order for every tool, in one way.
	Booted, Pending, Staged, Rollback bool
	// DownloadOnly is a staged one that a shutdown does not make the next to boot.
	DownloadOnly bool
	Pinned       bool
	// Unlocked is "development", "hotfix" or "transient"; empty when locked.
	Unlocked string

	// Requested are the names asked for, Layered those of them that are layered;
	// the rest is inactive (see Inactive).
	Requested, Layered []string
	// LocalPackages were layered from files, as NEVRA.
	LocalPackages []string
	// Removed are packages of the base that were taken out, as NEVRA; Replaced
	// those that others took the place of.
	Removed  []string
	Replaced []Replacement
	// RegenerateInitramfs is whether the initramfs is made on the host, with
	// InitramfsArgs for dracut.
	RegenerateInitramfs bool
	InitramfsArgs       []string
	// Signed is nil when the tool does not check or does not tell, else whether
	// a valid signature was found. Signatures are the tool's own words for them.
	Signed     *bool
	Signatures []string
	// LiveCommit is the commit whose packages were applied to the running tree.
	LiveCommit string
}

// Replacement is a package of the base that another took the place of.
type Replacement struct {
	Name string
	// From and To are versions (EVR), or NEVRA where the tool gives those.
	From, To string
}

// Update is a newer tree.
type Update struct {
	Version   string
	Timestamp time.Time
	// Checksum is its commit, Digest its image's; the one that fits the origin.
	Checksum, Digest string
	// Downloaded is whether it is on the host already, where the tool tells.
	Downloaded bool
	Diff       Diff
}

// ErrNotBooted means that no deployment is marked as the booted one.
var ErrNotBooted = errors.New("cannot find the booted deployment: the tool marks none")

// Booted is the running deployment, or ErrNotBooted.
func (s Status) Booted() (Deployment, error) {
	if d, ok := s.find(func(d Deployment) bool { return d.Booted }); ok {
		return d, nil
	}
	return Deployment{}, ErrNotBooted
}

// Pending is the deployment that boots next, if it is not the booted one.
func (s Status) Pending() (Deployment, bool) {
	return s.find(func(d Deployment) bool { return d.Pending })
}

// Rollback is the deployment that a rollback returns to.
func (s Status) Rollback() (Deployment, bool) {
	return s.find(func(d Deployment) bool { return d.Rollback })
}

func (s Status) find(is func(Deployment) bool) (Deployment, bool) {
	if i := slices.IndexFunc(s.Deployments, is); i >= 0 {
		return s.Deployments[i], true
	}
	return Deployment{}, false
}

// Ref is Origin without its remote.
func (d Deployment) Ref() string {
	if _, ref, ok := strings.Cut(d.Origin, ":"); ok {
		return ref
	}
	return d.Origin
}

// Inactive are the requested packages that are not layered, as the base has them.
func (d Deployment) Inactive() []string {
	var out []string
	for _, p := range d.Requested {
		if !slices.Contains(d.Layered, p) {
			out = append(out, p)
		}
	}
	return out
}

// Differences are the fields in which two deployments differ, each as
// "Field: this, other: that"; none when they are deeply equal.
func (d Deployment) Differences(other Deployment) (out []string) {
	a, b := reflect.ValueOf(d), reflect.ValueOf(other)
	for i := range a.NumField() {
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); !reflect.DeepEqual(x, y) {
			out = append(out, fmt.Sprintf("%s: %s, other: %s", a.Type().Field(i).Name, shown(x), shown(y)))
		}
	}
	return out
}

// shown is a field's value without the addresses of pointers.
func shown(v any) string {
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && !p.IsNil() {
		v = p.Elem().Interface()
	}
	return fmt.Sprintf("%+v", v)
}

// SameChecksum compares a full checksum with another that may be cut short, as
// old tools print them. Fewer than ten digits are equal to nothing.
func SameChecksum(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) >= 10 && strings.HasPrefix(b, a)
}
