package containers

import (
	"context"
	"encoding/json"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "inspect", Title: "a container is described as it was made: command, environment, labels, working folder, host name", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, inspect) },
})

func inspect(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	const name = "assay-inspect"
	defer e.Remove(ctx, name)
	if _, err := e.Must(ctx, "create a container", "create", "--name", name, "-e", "MOOD=fine", "--label", "made.by=assay",
		"-w", "/tmp", "--hostname", "inside", ref, "sh", "-c", "echo $MOOD $(pwd) $(hostname)"); err != nil {
		return err
	}
	text, err := e.Must(ctx, "inspect a container", "inspect", name)
	if err != nil {
		return err
	}
	if wrong := description(text); wrong != "" {
		return check.FailWith(probe.Clip(text, 8000), "inspect %s", wrong)
	}
	out, err := e.Must(ctx, "start a created container", "start", "-a", name)
	if err != nil {
		return err
	}
	if out != "fine /tmp inside" {
		return check.Failf("the container finds environment, folder and host name %q, not those it was made with", out)
	}
	return nil
}

// description says what is wrong with what inspect prints; empty is nothing.
func description(text string) string {
	var list []struct {
		ID     string `json:"Id"`
		Config struct {
			Env        []string
			Labels     map[string]string
			WorkingDir string
			Hostname   string
		}
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return "prints no JSON: " + err.Error()
	}
	if len(list) != 1 || len(list[0].ID) != 64 {
		return "does not describe one container with an id"
	}
	c := list[0].Config
	mood := false
	for _, v := range c.Env {
		mood = mood || v == "MOOD=fine"
	}
	switch {
	case !mood:
		return "does not show the environment variable it was given"
	case c.Labels["made.by"] != "assay":
		return "does not show the label it was given"
	case c.WorkingDir != "/tmp" || c.Hostname != "inside":
		return "does not show the working folder and host name it was given"
	}
	return ""
}
