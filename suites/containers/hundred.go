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
	Name: "hundred", Title: "of a hundred containers one after the other, all but one at most start and reach the network", Labels: []string{"slow"}, Limit: 10 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, hundred) },
})

// Networks lose a packet now and then: one container may.
const (
	hundredContainers = 100
	hundredGood       = 99
	// answerLimit is for one answer, on a KVM host.
	answerLimit = time.Minute
)

// hundredScript runs $3 containers of image $2 with engine $1, four at a time,
// each of which asks $4 for its answer within $5 seconds, and counts those that
// got it.
const hundredScript = `
engine=$1; image=$2; n=$3; url=$4; seconds=$5
t=$(mktemp -d) || exit 1
i=0
while [ $i -lt $n ]; do
	for k in 1 2 3 4; do
		[ $i -lt $n ] || break
		i=$((i + 1))
		{ "$engine" run --rm "$image" sh -c 'wget -q -O - "$1" & w=$!; (sleep "$2"; kill $w) >/dev/null 2>&1 & wait $w' sh "$url" "$seconds" >/dev/null 2>"$t/$i" && : >"$t/ok.$i"; } &
	done
	wait
done
echo "good=$(ls "$t" | grep -c '^ok')"
for f in "$t"/*; do
	[ -s "$f" ] && [ ! -e "$t/ok.${f##*/}" ] && sed 's/^/error=/' "$f" | tail -n 1
done | head -n 20
rm -rf "$t"
exit 0`

func hundred(ctx context.Context, e engine.Engine) error {
	ref, err := e.Image(ctx, httpd)
	if err != nil {
		return err
	}
	// What the host itself does not reach is no matter of its containers.
	if _, err := engine.RegistryAnswers(ctx, e.Guest()); err != nil {
		return err
	}
	url, seconds := engine.RegistryURL(e.Guest()), engine.Seconds(e.Guest(), answerLimit)
	out, err := probe.OutputWithin(ctx, e.Guest(), 8*time.Minute, string(e.Name), hundredScript, string(e.Name), ref, strconv.Itoa(hundredContainers), url, seconds)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	good, err := strconv.Atoi(p["good"])
	if err != nil || good < hundredGood {
		why := ""
		if p["error"] != "" {
			why = ": " + probe.Clip(p["error"], 200)
		}
		return check.FailWith(probe.Clip(out, 4000), "of %d containers %s started and reached the network%s", hundredContainers, orNone(p["good"]), why)
	}
	if good < hundredContainers {
		e.Guest().Log("%s: %d of %d", e.Name, good, hundredContainers)
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
