package syscontainers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
)

var _ = check.Register(suite, perTool(check.Check{
	Name: "reserved", Title: "settings cannot take the place of the container's name and checkout, folders are told and can be set",
	Isolated: true, Limit: 6 * time.Minute,
}, reserved, host.Atomic)...)

// checkouts is where atomic puts its containers: a link NAME to NAME.0 or NAME.1.
const checkouts = "/var/lib/containers/atomic/"

// infoLimit bounds the files of a checkout that are read, in bytes.
const infoLimit = 256 << 10

func reserved(ctx context.Context, b *box) error {
	o := b.options("foo")
	o.Set["NAME"], o.Set["DESTDIR"], o.Set["STATE_DIRECTORY"] = "assay-other", "/var/assay-other", "/var/lib/assay-other"
	if err := b.pull(ctx, b.image); err != nil {
		return err
	}
	_, err := b.c.Install(ctx, o)
	var r *host.RefusedError
	switch {
	case errors.As(err, &r) && strings.Contains(r.Result.Stdout+r.Result.Stderr, "NAME"):
		return nil // refusing it is as good
	case err != nil:
		return err
	}
	env, _, err := b.config(ctx, b.name)
	if err != nil {
		return err
	}
	if want := "NAME=" + b.name; !slices.Contains(env, want) {
		return check.Failf("--set NAME replaced the container's own name: its environment is %q, without %s", strings.Join(env, " "), want)
	}
	values, err := b.values(ctx)
	if err != nil {
		return err
	}
	if d := values["DESTDIR"]; !strings.HasPrefix(d, checkouts+b.name) {
		return check.Failf("--set DESTDIR replaced the container's own checkout: it is %q, not below %s", d, checkouts)
	}
	// The one is as the tool sets it, the other as it was asked for.
	for _, want := range [][2]string{{"RUN_DIRECTORY", "/run"}, {"STATE_DIRECTORY", "/var/lib/assay-other"}} {
		if got := values[want[0]]; got != want[1] {
			return check.Failf("the info of %s tells %s %q, want %q", b.name, want[0], got, want[1])
		}
	}
	if _, err := b.c.Start(ctx, b.name); err != nil {
		return b.journal(ctx, err)
	}
	return b.greets(ctx, "foo", "after its start")
}

// values are the settings that atomic tells in a checkout's info.
func (b *box) values(ctx context.Context) (map[string]string, error) {
	var info struct {
		Values map[string]any `json:"values"`
	}
	if err := b.read(ctx, b.name, "info", &info); err != nil {
		return nil, err
	}
	values := map[string]string{}
	for k, v := range info.Values {
		values[k] = fmt.Sprint(v)
	}
	return values, nil
}

// config is the environment and the root that a checkout's config.json has.
func (b *box) config(ctx context.Context, name string) (env []string, root string, err error) {
	var c struct {
		Process struct{ Env []string }
		Root    struct{ Path string }
	}
	err = b.read(ctx, name, "config.json", &c)
	return c.Process.Env, c.Root.Path, err
}

// read reads a file of a checkout.
func (b *box) read(ctx context.Context, name, file string, into any) error {
	path := checkouts + name + "/" + file
	text, err := b.t.ReadFile(ctx, path, infoLimit)
	if err != nil {
		return missing(err, path)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return check.FailWith(string(text), "%s is no JSON: %v", path, err)
	}
	return nil
}
