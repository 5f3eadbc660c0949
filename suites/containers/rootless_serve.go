package containers

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "rootless-serve", Title: "a web server in an ordinary user's container, with no rights in it, is reached through a port of the host", Limit: 6 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, rootlessServe) },
})

// rootlessPort is on the host; 8080 is where the image's program listens as a
// user who may not take port 80.
const rootlessPort = "18084"

func rootlessServe(ctx context.Context, e engine.Engine) error {
	own, _, err := ordinaryUser(ctx, e)
	if err != nil {
		return err
	}
	ref, err := own.Image(ctx, httpd)
	if err != nil {
		return err
	}
	const name = "assay-rootless-serve"
	defer own.Remove(ctx, name)
	if _, err := own.Must(ctx, "run a web server without root", "run", "-d", "--stop-signal", "KILL", "--name", name,
		"--user", "1000:1000", "--cap-drop", "ALL", "-p", rootlessPort+":8080", ref, "serve", "8080"); err != nil {
		return err
	}
	return serves(ctx, own, name, rootlessPort, testPage)
}
