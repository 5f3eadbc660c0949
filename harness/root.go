package harness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"assay/harness/guest"
	"assay/reports"
)

// becomeRoot makes sure that g runs commands as root, as nearly every check
// does. Where sudo will not have it, the guest is entered as root instead, as its
// seed allows: the connection is another then, and so is that of the guest's
// forks. A sudo that is there and does not work is kept in i.noSudo; a guest that
// offers neither way is a *notUpError.
func (i *instance) becomeRoot(ctx context.Context, g *guest.SSH) (*guest.SSH, error) {
	_, err := guest.Output(ctx, g, "true")
	var none *guest.NoRootError
	if !errors.As(err, &none) {
		i.noRoot = err
		return g, nil // the next commands meet it, too
	}
	g.Close()
	user := i.access.User
	i.access.User = "root"
	wait, cancel := context.WithTimeout(ctx, time.Duration(connectLimit*i.access.Scale))
	defer cancel()
	g, _, err = i.enter(wait, nil)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		i.access.User = user
		d := diagnosis{Check: bootRoot, Fault: reports.FaultInfra, Message: fmt.Sprintf("%s; whether root may log in is not known: %v", sudoSays(user, none), err)}
		var down *guest.NotReadyError
		if errors.As(err, &down) && down.Stage == guest.StageLogin {
			d.Fault, d.Message = reports.FaultImage, fmt.Sprintf("nobody can become root: %s, and root may not log in with the seed's key", sudoSays(user, none))
		}
		return nil, &notUpError{guest: i.name, diagnosis: d}
	}
	i.seed.asRoot = true
	if _, err := guest.Output(ctx, g, "sh", "-c", "command -v sudo"); err == nil {
		i.noSudo = sudoSays(user, none)
	}
	return g, nil
}

func sudoSays(user string, none *guest.NoRootError) string {
	return fmt.Sprintf("the seed lets %s use sudo without a password, and sudo says %q", user, none.Said)
}
