package runtime

import (
	"context"
	"regexp"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "oci-runtime", Title: "the OCI runtime that containers are started with is there and runs", Limit: 3 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, ociRuntime) },
})

// runtimeScript looks for the program $1, by path or name, and has it say its version.
const runtimeScript = `
p=$(command -v "$1" 2>/dev/null) || { echo 'absent=1'; exit 0; }
echo "path=$p"
"$p" --version >/tmp/.assay-runtime 2>&1; echo "status=$?"
sed -n '1s/^/says=/p' /tmp/.assay-runtime; rm -f /tmp/.assay-runtime
exit 0`

func ociRuntime(ctx context.Context, e engine.Engine) error {
	info, err := e.Facts(ctx)
	if err != nil {
		return missingRuntime(err)
	}
	program := info.RuntimePath
	if program == "" {
		program = info.Runtime
	}
	seen := program != ""
	if !seen {
		program = "the OCI runtime that it does not name" // podman 1 does not
	} else if err := answers(ctx, e, info, program); err != nil {
		return err
	}
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		// Without a registry there is no container to start, and what was seen of the
		// runtime itself has to do. Where that is nothing, err is a skip.
		if _, known := e.Guest().Env.Registry.Images[busybox]; !known && seen {
			return nil
		}
		return err
	}
	r, err := e.Run(ctx, "run", "--rm", ref, "true")
	if err != nil {
		return err
	}
	if !r.OK() {
		return missingRuntime(e.Failed(ctx, "start a container with "+program, []string{"run", "--rm", ref, "true"}, r))
	}
	return nil
}

// answers has the runtime say its version.
func answers(ctx context.Context, e engine.Engine, info engine.Info, program string) error {
	out, err := probe.Output(ctx, e.Guest(), "sh", runtimeScript, program)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case p["absent"] != "":
		return check.Failf("the OCI runtime %s is not there (%s)", orAbsent(info.Runtime), program)
	case p["status"] != "0":
		return check.FailWith(out, "the OCI runtime %s does not run: %s", program, orAbsent(p["says"]))
	}
	return nil
}

// absentRuntime is how engines say that there is none.
var absentRuntime = regexp.MustCompile(`OCI runtime "?([\w./-]+)"? not found|exec: "([\w./-]+)": executable file not found|no such OCI runtime|could not find a working (conmon) binary`)

// missingRuntime puts an engine's own complaint of a missing runtime first.
func missingRuntime(err error) error {
	j := check.Classify(err)
	m := absentRuntime.FindStringSubmatch(j.Message + j.Details)
	if m == nil {
		return err
	}
	name := strings.Join(m[1:], "")
	if name == "" {
		name = "configured"
	}
	return check.FailWith(j.Details, "the program %q that containers are started with is not there: %s", name, j.Message)
}
