package containers

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "build-serve", Title: "a web server is built from a recipe and serves the page that was put into it", Limit: 6 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, buildServe) },
})

const (
	serveFolder = "/var/lib/assay-build-serve"
	servedImage = "localhost/assay-served:1"
	servedPage  = "ASSAY BUILT THIS PAGE"
	servedPort  = "18083"
)

func buildServe(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, httpd)
	if err != nil {
		return err
	}
	recipe := "FROM " + ref + "\nRUN rm /www/index.html\nCOPY page.html /www/index.html\nEXPOSE 80\n"
	if err := e.Files(ctx, serveFolder, map[string]string{"Dockerfile": recipe, "page.html": "<h1>" + servedPage + "</h1>\n"}); err != nil {
		return err
	}
	const name = "assay-build-serve"
	defer e.Discard(ctx, "rmi", "-f", servedImage)
	defer e.Remove(ctx, name)
	if _, err := e.Must(ctx, "build a web server", "build", "-t", servedImage, serveFolder); err != nil {
		return err
	}
	if _, err := e.Must(ctx, "run the web server it built", "run", "-d", "--stop-signal", "KILL", "--name", name, "-p", servedPort+":80", servedImage); err != nil {
		return err
	}
	return serves(ctx, e, name, servedPort, servedPage)
}
