package containers

import (
	"context"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "build", Title: "an image is built from a recipe that copies and runs, and the result runs", Limit: 5 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, build) },
})

const (
	buildFolder = "/var/lib/assay-build"
	builtImage  = "localhost/assay-built:1"
)

func build(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	recipe := "FROM " + ref + "\nCOPY greeting /greeting\nRUN id -u > /who && test \"$(cat /who)\" = 0\nENV MOOD=fine\nCMD [\"sh\", \"-c\", \"cat /greeting; echo $MOOD\"]\n"
	if err := e.Files(ctx, buildFolder, map[string]string{"Dockerfile": recipe, "greeting": "built here\n"}); err != nil {
		return err
	}
	defer e.Discard(ctx, "rmi", "-f", builtImage)
	if _, err := e.Must(ctx, "build an image", "build", "-t", builtImage, buildFolder); err != nil {
		return err
	}
	out, err := e.Must(ctx, "run the image it built", "run", "--rm", builtImage)
	if err != nil {
		return err
	}
	if strings.Join(strings.Fields(out), " ") != "built here fine" {
		return check.Failf("the built image prints %q, not what its recipe says", out)
	}
	return nil
}
