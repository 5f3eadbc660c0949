package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/probe"
)

// daemonFile is docker's configuration, and its limit.
const (
	daemonFile  = "/etc/docker/daemon.json"
	daemonLimit = 1 << 20
)

// configure changes docker's own configuration and keeps the rest of it. change
// reports whether there was anything to do.
func (e Engine) configure(ctx context.Context, change func(conf map[string]any) bool) (changed bool, err error) {
	conf := map[string]any{}
	old, err := e.t.ReadFile(ctx, daemonFile, daemonLimit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	case len(bytes.TrimSpace(old)) > 0:
		if err := json.Unmarshal(old, &conf); err != nil {
			return false, check.FailWith(string(old), "%s is no JSON: %v", daemonFile, err)
		}
	}
	if !change(conf) {
		return false, nil
	}
	text, err := json.MarshalIndent(conf, "", "  ")
	if err != nil {
		return false, fmt.Errorf("cannot write docker's configuration: %w", err)
	}
	return true, e.t.WriteFile(ctx, daemonFile, bytes.NewReader(text), 0o644)
}

// Restarted sets a key of docker's configuration and restarts the daemon. One
// that does not come up with it is the image's failure.
func (e Engine) Restarted(ctx context.Context, key string, value any) error {
	if _, err := e.configure(ctx, func(conf map[string]any) bool { conf[key] = value; return true }); err != nil {
		return err
	}
	return e.Restart(ctx, fmt.Sprintf("with %s %v", key, value))
}

// restartLimit is for a daemon that has containers to end, on a KVM host.
const restartLimit = 90 * time.Second

// Restart restarts docker's daemon; how says in a message what it is to come up
// with: "with live-restore".
func (e Engine) Restart(ctx context.Context, how string) error {
	r, err := e.t.Run(ctx, guest.Command{Args: []string{"systemctl", "restart", "docker.service"}, Limit: restartLimit})
	if err != nil {
		return err
	}
	if !r.OK() {
		return check.FailWith(r.Stderr+probe.JournalTail(ctx, e.t, "docker.service", 40), "docker does not start %s: %s", how, r.Said())
	}
	return nil
}

// reloadLimit is how long a daemon may take to read its configuration again, on
// a KVM host: the order to do so does not wait for it.
const reloadLimit = 5 * time.Second

// trust makes docker's daemon speak HTTP to the harness's registry. Most
// daemons take that up by a reload, those before 17.05 by a restart alone.
func (e Engine) trust(ctx context.Context) error {
	if e.Name != Docker {
		return nil
	}
	addr := e.t.Env.Registry.Addr
	changed, err := e.configure(ctx, func(conf map[string]any) bool {
		list, _ := conf["insecure-registries"].([]any)
		if slices.Contains(list, any(addr)) {
			return false
		}
		conf["insecure-registries"] = append(list, addr)
		return true
	})
	if err != nil || !changed {
		return err
	}
	// By the verb's old name, which new versions know, too.
	// A daemon that is not yet up reads the file when its socket is first used.
	if _, err := guest.Output(ctx, e.t, "systemctl", "reload-or-try-restart", "docker.service"); err != nil {
		return err
	}
	knows := func(ctx context.Context) (bool, error) {
		out, err := e.Must(ctx, "describe docker's registries", "info", "--format", "{{json .RegistryConfig}}")
		return strings.Contains(out, `"`+addr+`"`), err
	}
	err = e.WaitFor(ctx, reloadLimit, knows)
	if !errors.Is(err, ErrNotInTime) {
		return err
	}
	if err := e.Restart(ctx, "with "+addr+" among its insecure-registries"); err != nil {
		return err
	}
	if ok, err := knows(ctx); err != nil || ok {
		return err
	}
	return check.Failf("docker does not take up the insecure-registries of %s", daemonFile)
}
