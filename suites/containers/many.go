package containers

import (
	"context"
	"strconv"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "many", Title: "many containers run at the same time", Labels: []string{"slow"}, Limit: 8 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, many) },
})

// How many are many: what a small guest holds, and what an emulated one starts
// within minutes.
const (
	manyContainers         = 50
	manyEmulatedContainers = 6
)

// manyScript starts $3 containers of image $2 with engine $1, a few at a time,
// counts those that run, and takes them away.
const manyScript = `
engine=$1; image=$2; n=$3
i=0
while [ $i -lt $n ]; do
	for k in 1 2 3; do
		[ $i -lt $n ] || break
		i=$((i + 1))
		"$engine" run -d --stop-signal KILL --name "assay-many-$i" --label assay=many "$image" sleep 3600 >/dev/null 2>/tmp/.assay-many-$i || sed 's/^/error=/' /tmp/.assay-many-$i &
	done
	wait
done
echo "running=$("$engine" ps -q --filter label=assay=many | grep -c .)"
"$engine" rm -f $("$engine" ps -a -q --filter label=assay=many) >/dev/null 2>&1
rm -f /tmp/.assay-many-*
exit 0`

func many(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, busybox)
	if err != nil {
		return err
	}
	n := manyContainers
	if e.Guest().Env.Accelerator == "tcg" {
		n = manyEmulatedContainers
	}
	out, err := probe.OutputWithin(ctx, e.Guest(), 5*time.Minute, string(e.Name), manyScript, string(e.Name), ref, strconv.Itoa(n))
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	if running := p["running"]; running != strconv.Itoa(n) {
		why := ""
		if p["error"] != "" {
			why = ": " + probe.Clip(p["error"], 200)
		}
		return check.FailWith(probe.Clip(out, 4000), "of %d containers started %s run at the same time%s", n, running, why)
	}
	return nil
}
