package host

import "context"

// atomicHost is a stub so far.
type atomicHost struct{ lacking }

func (d atomicHost) As(user string) Driver { d.user = user; return d }

func (d atomicHost) Status(context.Context) (Status, error) {
	return Status{Tool: d.tool}, d.lacks("status")
}
