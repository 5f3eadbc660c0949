package containers

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "publish", Title: "a web server in a container is reached through a port of the host", Limit: 4 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, publish) },
})

const publishedPort = "18080"

func publish(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, httpd)
	if err != nil {
		return err
	}
	const name = "assay-publish"
	defer e.Remove(ctx, name)
	if _, err := e.Must(ctx, "run a container with a published port", "run", "-d", "--stop-signal", "KILL", "--name", name, "-p", publishedPort+":80", ref); err != nil {
		return err
	}
	return serves(ctx, e, name, publishedPort, testPage)
}
