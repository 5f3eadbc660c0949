package host

import "time"

// Outcome is what an operation said and did.
type Outcome struct {
	Tool Tool
	// Args are the whole command.
	Args []string
	Exit int
	// Output is standard output, then standard error, as far as it was kept.
	Output string
	Took   time.Duration

	// Changed is whether the tool says it did something that the next boot, or
	// a later operation, sees. A check or preview changes nothing.
	Changed bool
	// Reason is why nothing changed, or why the tool refused; empty when
	// neither, or when its words are not known.
	Reason Reason
	// Update is what a check told of a newer tree; nil when there is none.
	Update *Update
	// Queued is the image that bootc says boots next, nil otherwise.
	Queued *Image
	// Diff are the package changes that the tool told.
	Diff Diff
	// Rebooting is whether the tool reboots the guest now, as it was asked to:
	// the connection may be gone already. The caller waits for the new boot.
	Rebooting bool
}

// Diff is the packages that differ between two trees.
type Diff struct {
	// From and To are the commits compared, where told.
	From, To string
	// Upgraded, Downgraded and Changed (old tools tell no more) are by name.
	Upgraded, Downgraded, Changed []Replacement
	// Added and Removed are NEVRA.
	Added, Removed []string
}

// Empty reports that nothing differs.
func (d Diff) Empty() bool {
	return len(d.Upgraded)+len(d.Downgraded)+len(d.Changed)+len(d.Added)+len(d.Removed) == 0
}
