package containers

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "copy", Title: "files are copied into a container and out of it", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, copyFiles) },
})

const copyFolder = "/var/lib/assay-copy"

func copyFiles(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	const name, text = "assay-copy", "carried over"
	if err := e.Files(ctx, copyFolder, map[string]string{"in": text}); err != nil {
		return err
	}
	defer e.Remove(ctx, name)
	for _, step := range []struct {
		purpose string
		args    []string
	}{
		{"create a container", []string{"create", "--name", name, ref, "true"}},
		{"copy a file into a container", []string{"cp", copyFolder + "/in", name + ":/carried"}},
		{"copy a file out of a container", []string{"cp", name + ":/carried", copyFolder + "/out"}},
	} {
		if _, err := e.Must(ctx, step.purpose, step.args...); err != nil {
			return err
		}
	}
	b, err := e.Guest().ReadFile(ctx, copyFolder+"/out", 4<<10)
	if err != nil {
		return check.Failf("cp called it a success and left no file: %v", err)
	}
	if string(b) != text {
		return check.Failf("a file copied into a container and out of it holds %q, not %q", b, text)
	}
	return nil
}
