package runtime

import (
	"context"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "enabled", Title: "the runtime's service comes with the next boot", Limit: 2 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, enabled) },
})

func enabled(ctx context.Context, e engine.Engine) error {
	if e.Name == engine.Podman {
		return check.Skipf("it has no daemon that would have to be enabled")
	}
	out, err := probe.Output(ctx, e.Guest(), "systemctl", unitsScript, string(e.Name))
	if err != nil {
		return err
	}
	all := units(out)
	for _, u := range []string{"docker.service", "docker.socket"} {
		switch all[u].enabled {
		case "enabled", "static", "generated", "alias", "indirect":
			return nil
		}
	}
	return check.FailWith(out, "neither docker.service (%s) nor docker.socket (%s) is enabled: docker is gone after a reboot",
		orAbsent(all["docker.service"].enabled), orAbsent(all["docker.socket"].enabled))
}

func orAbsent(s string) string {
	if s == "" {
		return "absent"
	}
	return s
}
