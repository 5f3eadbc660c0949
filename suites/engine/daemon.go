package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
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
// reports whether there was anything to do; undo is nil when there was not.
func (e Engine) configure(ctx context.Context, change func(conf map[string]any) bool) (undo func(context.Context) error, err error) {
	conf := map[string]any{}
	old, err := e.t.ReadFile(ctx, daemonFile, daemonLimit)
	none := errors.Is(err, fs.ErrNotExist)
	switch {
	case none:
	case err != nil:
		return nil, err
	case len(bytes.TrimSpace(old)) > 0:
		if err := json.Unmarshal(old, &conf); err != nil {
			return nil, check.FailWith(string(old), "%s is no JSON: %v", daemonFile, err)
		}
	}
	if !change(conf) {
		return nil, nil
	}
	text, err := json.MarshalIndent(conf, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("cannot write docker's configuration: %w", err)
	}
	if none { // not every package of docker makes the folder
		if _, err := guest.Output(ctx, e.t, "mkdir", "-p", path.Dir(daemonFile)); err != nil {
			return nil, err
		}
	}
	undo = func(ctx context.Context) error {
		if none {
			_, err := guest.Output(ctx, e.t, "rm", "-f", daemonFile)
			return err
		}
		return e.t.WriteFile(ctx, daemonFile, bytes.NewReader(old), 0o644)
	}
	return undo, e.t.WriteFile(ctx, daemonFile, bytes.NewReader(text), 0o644)
}

// byFlag is how a daemon says that a flag it was given, and the configuration, exclude each other.
const byFlag = "specified both as a flag and in the configuration file"

// unlessByFlag judges a restart with a new key. Where the image gives docker the
// same by a flag, nothing is wrong with it: the configuration is put back and
// the check cannot be made.
func (e Engine) unlessByFlag(ctx context.Context, key string, undo func(context.Context) error, failure error) error {
	if failure == nil || !slices.ContainsFunc(probe.Lines(check.Classify(failure).Details), func(l string) bool {
		return strings.Contains(l, byFlag) && strings.Contains(l, key)
	}) {
		return failure
	}
	if err := undo(ctx); err != nil {
		return err
	}
	// Its tries to start may have used up what systemd allows it.
	if _, err := guest.Output(ctx, e.t, "systemctl", "reset-failed", "docker.service"); err != nil {
		return err
	}
	if err := e.Restart(ctx, "with its own configuration again"); err != nil {
		return err
	}
	return check.Skipf("the image gives docker its %s by a flag, to which the configuration cannot add", key)
}

// Restarted sets a key of docker's configuration and restarts the daemon. One
// that does not come up with it is the image's failure.
func (e Engine) Restarted(ctx context.Context, key string, value any) error {
	undo, err := e.configure(ctx, func(conf map[string]any) bool { conf[key] = value; return true })
	if err != nil {
		return err
	}
	return e.unlessByFlag(ctx, key, undo, e.Restart(ctx, fmt.Sprintf("with %s %v", key, value)))
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
	const key = "insecure-registries"
	undo, err := e.configure(ctx, func(conf map[string]any) bool {
		list, _ := conf[key].([]any)
		if slices.Contains(list, any(addr)) {
			return false
		}
		conf[key] = append(list, addr)
		return true
	})
	if err != nil || undo == nil {
		return err
	}
	// By the verb's old name, which new versions know, too.
	// A daemon that is not yet up reads the file when its socket is first used.
	if _, err := guest.Output(ctx, e.t, "systemctl", "reload-or-try-restart", "docker.service"); err != nil {
		return err
	}
	knows := func(ctx context.Context) (bool, error) {
		args := []string{"info", "--format", "{{json .RegistryConfig}}"}
		r, err := e.Run(ctx, args...)
		switch {
		case err != nil:
			return false, err
		case noFormat.MatchString(r.Stderr):
			return false, errNoFormat
		case !r.OK():
			return false, e.Failed(ctx, "describe docker's registries", args, r)
		}
		return strings.Contains(r.Stdout, `"`+addr+`"`), nil
	}
	err = e.WaitFor(ctx, reloadLimit, knows)
	if !errors.Is(err, ErrNotInTime) {
		return err
	}
	if err := e.unlessByFlag(ctx, key, undo, e.Restart(ctx, "with "+addr+" among its "+key)); err != nil {
		return err
	}
	if ok, err := knows(ctx); err != nil || ok {
		return err
	}
	return check.Failf("docker does not take up the insecure-registries of %s", daemonFile)
}
