// Package livedin makes a fresh guest look lived in, and finds out later what
// of that is left: what a user of the host has done must outlive upgrades,
// rollbacks and power cuts.
package livedin

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"assay/harness/guest"
)

// Mark is one thing that a user left on the host.
type Mark string

// The marks. Each is made by Prepare where the guest has what it takes.
const (
	// User is an account named UserName, made with useradd, with a home folder and
	// random bytes in it.
	User Mark = "user"
	// OwnFile is EtcFile, which no tree brings, with a mode of its own.
	OwnFile Mark = "own-etc-file"
	// Edit is a line that was added to HostsFile, a file that trees bring or
	// first boots make.
	Edit Mark = "etc-edit"
	// Data is VarFile.
	Data Mark = "var-data"
	// Unit is a service of the administrator's own, UnitName, enabled.
	Unit Mark = "enabled-unit"
)

// All marks, in the order in which Prepare makes them.
var All = []Mark{User, OwnFile, Edit, Data, Unit}

// What the marks are made of.
const (
	UserName  = "assaylived"
	EtcFile   = "/etc/assay-lived.conf"
	HostsFile = "/etc/hosts"
	VarFile   = "/var/lib/assay-lived/data"
	UnitName  = "assay-lived.service"
)

var (
	//go:embed prepare.sh
	prepare string
	//go:embed look.sh
	look string
)

// limit is for either script on a KVM host.
const limit = 30 * time.Second

// Prepare makes the marks and returns those it could make. It may be called again.
func Prepare(ctx context.Context, g guest.Guest) ([]Mark, error) {
	return run(ctx, g, "make", prepare)
}

// Left returns the marks that are there. Unit is among them when it is enabled
// and has run in this boot.
func Left(ctx context.Context, g guest.Guest) ([]Mark, error) {
	return run(ctx, g, "look for", look)
}

func run(ctx context.Context, g guest.Guest, verb, script string) ([]Mark, error) {
	args := []string{"sh", "-c", script, "livedin", UserName, EtcFile, HostsFile, VarFile, UnitName}
	r, err := g.Run(ctx, guest.Command{Args: args, Limit: limit})
	if err != nil {
		return nil, err
	}
	if !r.OK() {
		return nil, fmt.Errorf("cannot %s the marks of a lived-in host: %w", verb, &guest.CommandError{Args: args[:1], Result: r})
	}
	var marks []Mark
	for _, l := range strings.Fields(r.Stdout) {
		for _, m := range All {
			if string(m) == l {
				marks = append(marks, m)
			}
		}
	}
	return marks, nil
}
