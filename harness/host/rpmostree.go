package host

import "context"

// rpmOSTree is a stub so far.
type rpmOSTree struct{ lacking }

func (d rpmOSTree) As(user string) Driver { d.user = user; return d }

func (d rpmOSTree) Status(context.Context) (Status, error) {
	return Status{Tool: d.tool}, d.lacks("status")
}
