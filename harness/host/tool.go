package host

// Tool is one way to manage a host's deployments, named as it is called.
type Tool string

// The tools, in the order in which criteria name them.
const (
	RPMOSTree  Tool = "rpm-ostree"
	AtomicHost Tool = "atomic host"
	Bootc      Tool = "bootc"
	OSTree     Tool = "ostree admin"
)

// Tools are all known tools, in the order in which criteria prefer them.
var Tools = []Tool{RPMOSTree, AtomicHost, Bootc, OSTree}
