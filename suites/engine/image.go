package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"assay/harness/guest"
	"assay/suites/check"
)

// Ref is the full reference of the image for that purpose, as a guest names
// it, and a skip when the harness serves none.
func (e Engine) Ref(purpose string) (string, error) {
	r := e.t.Env.Registry
	if r.Addr == "" {
		return "", check.Skipf("no registry is served to the guest")
	}
	image, ok := r.Images[purpose]
	if !ok {
		return "", check.Skipf("the registry has no image for %q", purpose)
	}
	return r.Addr + "/" + image, nil
}

// Image makes sure that the image for that purpose is in the engine's storage
// and returns its reference. It is pulled once per guest.
func (e Engine) Image(ctx context.Context, purpose string) (string, error) {
	ref, err := e.Ref(purpose)
	if err != nil {
		return "", err
	}
	if remembered.hasImage(e, ref) {
		return ref, nil
	}
	r, err := e.Run(ctx, "image", "inspect", "--format", "{{.Id}}", ref)
	if err != nil {
		return "", err
	}
	if !r.OK() {
		if err := e.Pull(ctx, ref); err != nil {
			return "", err
		}
	}
	remembered.setImage(e, ref)
	return ref, nil
}

// pullLimit is for a small image from a registry next door, on a KVM host.
const pullLimit = 2 * time.Minute

// Pull pulls ref, over plain HTTP.
func (e Engine) Pull(ctx context.Context, ref string) error {
	if err := e.trust(ctx); err != nil {
		return err
	}
	args := e.plainHTTP("pull", "-q")
	args = append(args, ref)
	r, err := e.t.Run(ctx, guest.Command{Args: append([]string{string(e.Name)}, args...), User: e.user, Env: e.env, Limit: pullLimit})
	if err != nil {
		return err
	}
	if !r.OK() {
		return Failed("pull "+ref, args, r)
	}
	return nil
}

// Push pushes ref, over plain HTTP.
func (e Engine) Push(ctx context.Context, ref string) error {
	if err := e.trust(ctx); err != nil {
		return err
	}
	_, err := e.Must(ctx, "push "+ref, append(e.plainHTTP("push"), ref)...)
	return err
}

// plainHTTP is the command with what makes podman speak HTTP; docker's daemon
// decides by its configuration, and older ones know no --quiet.
func (e Engine) plainHTTP(command string, options ...string) []string {
	if e.Name == Podman {
		return append([]string{command, "--tls-verify=false"}, options...)
	}
	return []string{command}
}

// daemonFile is docker's configuration, and its limit.
const (
	daemonFile  = "/etc/docker/daemon.json"
	daemonLimit = 1 << 20
)

// trust makes docker's daemon speak HTTP to the harness's registry: it adds
// the registry to the daemon's own configuration, keeps the rest, and has the
// daemon read it again.
func (e Engine) trust(ctx context.Context) error {
	if e.Name != Docker {
		return nil
	}
	addr := e.t.Env.Registry.Addr
	conf := map[string]any{}
	old, err := e.t.ReadFile(ctx, daemonFile, daemonLimit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case len(bytes.TrimSpace(old)) > 0:
		if err := json.Unmarshal(old, &conf); err != nil {
			return check.FailWith(string(old), "%s is no JSON: %v", daemonFile, err)
		}
	}
	list, _ := conf["insecure-registries"].([]any)
	for _, have := range list {
		if have == addr {
			return nil
		}
	}
	conf["insecure-registries"] = append(list, addr)
	text, err := json.MarshalIndent(conf, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot write docker's configuration: %w", err)
	}
	if err := e.t.WriteFile(ctx, daemonFile, bytes.NewReader(text), 0o644); err != nil {
		return err
	}
	// A reload takes the list of registries; a daemon that is not yet up reads
	// the file when its socket is first used.
	_, err = guest.Output(ctx, e.t, "systemctl", "try-reload-or-restart", "docker.service")
	return err
}
