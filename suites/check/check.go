// Package check is how a suite states its checks: one value per check, with
// what is promised, which guest it needs and the function that finds out.
//
// It never boots a guest; it is handed one. The function's return value says
// whose fault a failure is: Failf is the image's, Skipf says why the question
// does not apply, a guest.TransportError or an Infraf is the infrastructure's,
// and any other error or a panic is the test's own.
package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"assay/artifact"
	"assay/harness/guest"
	"assay/harness/host"
	"assay/harness/livedin"
	"assay/reports"
)

// State is the condition of a guest that a check starts from.
type State string

// The states. Each is made once and forked.
const (
	// Booted is a fork of the guest after its first boot. The default.
	Booted State = "booted"
	// Fresh is a first boot of its own, not a fork: for identity.
	Fresh State = "fresh"
	// Upgraded is a fork of a guest that was lived in (package livedin), upgraded
	// to Trees.Newer by its preferred tool and rebooted into it.
	Upgraded State = "upgraded"
	// Layered is a fork of a guest on which the packages for LayeredPurposes were
	// layered in one step by the tool that criteria prefer, and which was rebooted into
	// them. Where that cannot be had, it is a fork of Booted, and the check layers
	// itself what it needs.
	Layered State = "layered"
	// Rebooted is a fork of Booted that was rebooted once. All checks of this
	// state, of every suite, share one guest and its reboot: first the Prepare
	// functions run, then the guest reboots, then the checks.
	Rebooted State = "rebooted"
)

// Suite is one release criterion.
type Suite struct {
	// Name is the folder under suites/ and the first half of every check id.
	Name string
	// Criterion is the row in the release criteria: "S0".
	Criterion string
	// Title is what the criterion promises, in a few words.
	Title string
	// Divisible is true for a suite so slow that several guests may share what one
	// of them would do: none of its checks counts on another.
	Divisible bool
}

// Check is one line of the report.
type Check struct {
	// Name is the second half of the id: "failed-units" in "base/failed-units".
	Name string
	// Title is the promise, as a statement: "no unit has failed".
	Title string
	// Advisory checks are reported and never reject.
	Advisory bool
	// State is what it starts from; empty is Booted.
	State State
	// Isolated gives it a guest of its own, because it leaves the guest changed
	// (a reboot, a killed daemon).
	Isolated bool
	// Labels are free words for --label.
	Labels []string
	// Limit is how long it may take on a KVM host; 0 is one minute. It is
	// scaled like a command's.
	Limit time.Duration
	// Prepare, for State Rebooted, runs before the reboot. What it returns is
	// T.Prepared in Run; its error is the check's answer, and Run is not called.
	Prepare func(ctx context.Context, t *T) (any, error)
	// Tools, when set, are host tools of which the image must ship at least one:
	// without, the check is skipped and no guest is made for it.
	Tools []host.Tool
	// NeedsTrees has the harness make Trees; a check in State Upgraded needs them
	// anyway.
	NeedsTrees bool
	// JudgesReboot marks the check that is asked even when the reboot failed
	// (T.RebootErr); for every other that is the infrastructure's fault, in doubt.
	JudgesReboot bool
	// Run finds out. nil is a pass.
	Run func(ctx context.Context, t *T) error
}

// T is what a running check holds.
type T struct {
	guest.Guest
	// Env is what the harness knows and the guest cannot tell.
	Env Env
	// Prepared is what Prepare returned.
	Prepared any
	// RebootErr is why the reboot of State Rebooted failed, for JudgesReboot.
	RebootErr error
	// Log writes a line into the check's evidence.
	Log func(format string, args ...any)
}

// Scaled is a limit for a KVM host, on this host.
func (t *T) Scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) * t.Scale())
}

// Env is what the harness promised the guest and what it serves to it. The
// zero value of a part means that it is not there: a check that needs it skips.
type Env struct {
	// User is the ordinary user that the seed makes; it may use sudo.
	User string `json:"user"`
	// Hostname is what the seed asks for.
	Hostname string `json:"hostname"`
	// InstanceID is the seed's instance id.
	InstanceID string `json:"instance_id"`
	// ProofPath is a file that the seed's user script writes, ProofText its content.
	ProofPath string `json:"proof_path"`
	ProofText string `json:"proof_text"`
	// RunCmdProof is what a command of the seed (runcmd) leaves, WriteFilesProof what a
	// file of it (write_files); zero when the seed has none.
	RunCmdProof     Proof `json:"runcmd_proof"`
	WriteFilesProof Proof `json:"write_files_proof"`
	// AuthorizedKey is the user's public key line that the seed installs.
	AuthorizedKey string `json:"authorized_key"`
	// HostKey is the SSH host public key line that the seed installs.
	HostKey string `json:"host_key"`
	// SeedRoute is a network to which the seed's network configuration has a
	// route, and DHCP has none; empty when the seed has no such configuration.
	SeedRoute string `json:"seed_route,omitempty"`
	// ServedName is a name that the name server of the guest's network knows, with
	// the IPv4 address ServedAddress; DHCP tells of that server.
	ServedName    string `json:"served_name,omitempty"`
	ServedAddress string `json:"served_address,omitempty"`
	// Registry serves container images on the guest's network.
	Registry Registry `json:"registry"`
	// DiskSize is the size in bytes of the disk the guest got: larger than the
	// image's own, so that growing it can be seen.
	DiskSize int64 `json:"disk_size"`
	// ImageVirtualSize is the image's own disk size in bytes.
	ImageVirtualSize int64 `json:"image_virtual_size"`
	// First is the identity of the first boot, for checks in State Fresh.
	First *Identity `json:"first,omitempty"`
	// ImageFormat is the image's: a Vagrant box keeps other rules.
	ImageFormat artifact.Format `json:"image_format"`
	// Accelerator is "kvm" or "tcg".
	Accelerator string `json:"accelerator"`
	// Memory of the guest in MiB, and its CPUs.
	MemoryMiB int `json:"memory_mib"`
	CPUs      int `json:"cpus"`
	// Trees are what the guest can be upgraded to and set back to; nil when the
	// image is no ostree host or they could not be had (then NoTrees says why).
	Trees   *Trees `json:"trees,omitempty"`
	NoTrees string `json:"no_trees,omitempty"`
	// Tools are the host tools that the image ships.
	Tools []host.Tool `json:"tools,omitempty"`
	// Lived are the marks of a user's life that a guest in State Upgraded got
	// before its upgrade.
	Lived []livedin.Mark `json:"lived,omitempty"`
	// Packages is a repository of packages to layer; nil when there is none.
	Packages *Packages `json:"packages,omitempty"`
	// Private is a registry that wants TLS and a login.
	Private *PrivateRegistry `json:"private,omitempty"`
}

// Proof is a file that shows by its text that a part of the seed was done.
type Proof struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// Trees are versions of the image's tree, served on the guest's network.
type Trees struct {
	// URL is the ostree repository, plain HTTP, without signatures. The same
	// path below Slow comes at some 20 KB/s, below Cut each answer breaks off
	// after 1 KB: both have a final slash to which "repo" is added.
	URL  string `json:"url"`
	Slow string `json:"slow"`
	Cut  string `json:"cut"`
	// Ref is the branch that Newer is the tip of.
	Ref string `json:"ref"`
	// Booted is the image's own, Newer the update.
	Booted Tree `json:"booted"`
	Newer  Tree `json:"newer"`
	// Older are earlier versions in the history of Ref, the nearest first.
	Older []Tree `json:"older"`
	// Kernel is a derived update by which the files that boot count as others, and
	// KernelImage the same as an image: they are copied to /boot anew. Kernel's Ref
	// is a branch of its own. Empty where none can be made.
	Kernel      Tree   `json:"kernel,omitzero"`
	KernelImage string `json:"kernel_image,omitempty"`
	// Derived is true when Newer and Older were made from the image's own
	// commit for want of an update tree: then they differ from it by the files
	// of DerivedFiles alone.
	Derived bool `json:"derived"`
	// Signed is true when Newer carries a signature, by whoever.
	Signed bool `json:"signed"`
	// NewerImage and OlderImages are versions of the tree as container images,
	// "host:port/name:tag" on plain HTTP, for hosts that follow images; empty when
	// there are none. ImageName is what they share, without the tag. FollowImage
	// is a name under which every tag means the newest.
	ImageName   string   `json:"image_name,omitempty"`
	FollowImage string   `json:"follow_image,omitempty"`
	NewerImage  string   `json:"newer_image,omitempty"`
	OlderImages []string `json:"older_images,omitempty"`
	// Images are the trees of NewerImage and OlderImages, by their names: a tag
	// is only a name, and an image's version is its label.
	Images []Tree `json:"images,omitempty"`
	// DerivedImages is Derived of the images; NoImages says why there are none, if
	// the harness tried to derive some.
	DerivedImages bool   `json:"derived_images,omitempty"`
	NoImages      string `json:"no_images,omitempty"`
}

// Files by which a derived tree differs: each tree has its version as the first line
// of both, the second with DerivedEtc's content as /etc's default.
const (
	DerivedFile = "/usr/share/assay-update/version"
	DerivedEtc  = "/etc/assay-update/version"
)

// DerivedKernel is a file that Kernel's tree has beside its kernel, in the folder of
// device trees: ostree since 2018.9 copies and counts that folder with the kernel, and no
// boot loader of the PC looks at it.
const DerivedKernel = "dtb/assay-update"

// LayeredPurposes are what the packages are for (Packages.Names) that a guest in
// State Layered has.
var LayeredPurposes = []string{"friend", "settings", "service"}

// Packages is a repository of RPM packages that the project makes.
type Packages struct {
	// URL is its baseurl, plain HTTP, with a final slash; Key the armoured public
	// key of the signed ones.
	URL string `json:"url"`
	Key string `json:"key"`
	// UnsignedURL is a repository of the same packages without signatures.
	UnsignedURL string `json:"unsigned_url"`
	// Names are package names and Files their file names under Packages/, by what
	// they are for: "hello" (a program assay-hello), "hello-next" (its newer
	// version), "friend" (needs hello), "service" (a web server), "settings",
	// "recommender", "unsigned", "conflicting" (with hello), "clashing" (has a
	// file of hello), "needy" (needs what is not there), "failing" (its script
	// fails), "greeting-next" (newer than what some bases have).
	Names map[string]string `json:"names"`
	Files map[string]string `json:"files"`
	// The service's port, unit and answer.
	ServicePort   int    `json:"service_port"`
	ServiceUnit   string `json:"service_unit"`
	ServiceAnswer string `json:"service_answer"`
}

// PrivateRegistry is a registry with the same images as Registry.
type PrivateRegistry struct {
	Registry
	// CA is the PEM certificate that signed its own.
	CA       string `json:"ca"`
	User     string `json:"user"`
	Password string `json:"password"`
}

// Registry is a container registry that the harness serves to the guest.
type Registry struct {
	// Addr is host:port as the guest reaches it, plain HTTP.
	Addr string `json:"addr"`
	// Images are full references without the registry, "assay/busybox:1", by
	// what they are for: "busybox", "httpd".
	Images map[string]string `json:"images"`
}

// Tree is an ostree commit, or a container image.
type Tree struct {
	Ref    string `json:"ref"`
	Commit string `json:"commit"`
	// Version is what the commit or the image's label says; empty for none.
	Version string `json:"version"`
	// Image is an image's name with its tag, Digest its manifest's as hosts tell
	// it, with the algorithm; empty of a commit, Digest also where it is not known.
	Image  string `json:"image,omitempty"`
	Digest string `json:"digest,omitempty"`
}

// OfImage is the tree of NewerImage or one of OlderImages.
func (t *Trees) OfImage(name string) Tree {
	for _, i := range t.Images {
		if i.Image == name {
			return i
		}
	}
	return Tree{Image: name}
}

// Identity is what must differ between two boots of one image.
type Identity = guest.Identity

// failure, skip and infra carry a check's own judgement.
type (
	failure struct{ msg, details string }
	skip    struct {
		reason       string
		inapplicable bool
	}
	infra struct{ err error }
)

func (f *failure) Error() string { return f.msg }
func (s *skip) Error() string    { return "skipped: " + s.reason }
func (i *infra) Error() string   { return i.err.Error() }
func (i *infra) Unwrap() error   { return i.err }

// Failf is the image's own failure, in one sentence that an OS developer can
// act on: what is wrong, with which object.
func Failf(format string, args ...any) error {
	return &failure{msg: fmt.Sprintf(format, args...)}
}

// FailWith is Failf with longer evidence (a listing, a log excerpt).
func FailWith(details, format string, args ...any) error {
	return &failure{msg: fmt.Sprintf(format, args...), details: details}
}

// Skipf says why the question does not apply to this image.
func Skipf(format string, args ...any) error {
	return &skip{reason: fmt.Sprintf(format, args...)}
}

// Skips reports whether err says that a question does not apply.
func Skips(err error) bool {
	var s *skip
	return errors.As(err, &s)
}

// Inapplicablef says by what the image shows itself to be of a kind that the
// promise is not made for. A whole criterion may be left out so: use it only on
// evidence of the kind, never because something is not there, which may be the
// very failure.
func Inapplicablef(format string, args ...any) error {
	return &skip{reason: fmt.Sprintf(format, args...), inapplicable: true}
}

// Infraf is a fault of what surrounds the guest (the harness's registry, the host).
func Infraf(format string, args ...any) error {
	return &infra{err: fmt.Errorf(format, args...)}
}

// Registered is a check with the suite it belongs to.
type Registered struct {
	Suite Suite
	Check
}

// ID is "suite/name".
func (r Registered) ID() reports.CaseID {
	return reports.CaseID(r.Suite.Name + "/" + r.Name)
}

var registry []Registered

// Register adds checks to a suite. Suites call it from package variables; a
// name that is used twice panics.
func Register(s Suite, checks ...Check) struct{} {
	for _, c := range checks {
		if c.State == "" {
			c.State = Booted
		}
		if c.Limit == 0 {
			c.Limit = time.Minute
		}
		r := Registered{Suite: s, Check: c}
		for _, old := range registry {
			if old.ID() == r.ID() {
				panic(fmt.Sprintf("check %s is registered twice", r.ID()))
			}
		}
		if c.Name == "" || c.Title == "" || c.Run == nil {
			panic(fmt.Sprintf("check %s lacks a name, a title or a function", r.ID()))
		}
		if (c.State == Rebooted) != (c.Prepare != nil) {
			panic(fmt.Sprintf("check %s: Prepare and State Rebooted belong together", r.ID()))
		}
		registry = append(registry, r)
	}
	return struct{}{}
}

// All returns every registered check, by suite and then in the order given.
func All() []Registered {
	out := append([]Registered(nil), registry...)
	sort.SliceStable(out, func(i, j int) bool { return out[i].Suite.Name < out[j].Suite.Name })
	return out
}

// Lacks says why the check does not apply to an image that ships these tools;
// empty when it does.
func (c Check) Lacks(tools []host.Tool) string {
	names := make([]string, 0, len(c.Tools))
	for _, t := range c.Tools {
		if slices.Contains(tools, t) {
			return ""
		}
		names = append(names, string(t))
	}
	if len(names) == 0 {
		return ""
	}
	return "the image ships no " + strings.Join(names, " or ")
}
