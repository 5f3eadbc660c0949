package host

import "context"

// bootc is a stub so far.
type bootc struct{ lacking }

func (d bootc) As(user string) Driver { d.user = user; return d }

func (d bootc) Status(context.Context) (Status, error) {
	return Status{Tool: d.tool}, d.lacks("status")
}
