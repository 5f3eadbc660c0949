package engine

import (
	"context"
	"time"

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
	r, err := e.run(ctx, pullLimit, args)
	if err != nil {
		return err
	}
	if !r.OK() {
		return e.Failed(ctx, "pull "+ref, args, r)
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

// Private is the full reference of the image for that purpose in the registry
// that wants TLS and a login, and a skip when the harness serves none.
func (e Engine) Private(purpose string) (string, error) {
	p := e.t.Env.Private
	if p == nil || p.Addr == "" {
		return "", check.Skipf("no private registry is served to the guest")
	}
	image, ok := p.Images[purpose]
	if !ok {
		return "", check.Skipf("the private registry has no image for %q", purpose)
	}
	return p.Addr + "/" + image, nil
}
