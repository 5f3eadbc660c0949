package host

import "context"

// ostreeAdmin is a stub so far.
type ostreeAdmin struct{ lacking }

func (d ostreeAdmin) As(user string) Driver { d.user = user; return d }

func (d ostreeAdmin) Status(context.Context) (Status, error) {
	return Status{Tool: d.tool}, d.lacks("status")
}
