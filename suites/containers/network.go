package containers

import (
	"context"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/engine"
)

var _ = check.Register(suite, check.Check{
	Name: "network", Title: "a container reaches the network outside the host, and other containers", Limit: 4 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, network) },
})

func network(ctx context.Context, e engine.Engine) error {
	web, err := e.Image(ctx, httpd)
	if err != nil {
		return err
	}
	addr := e.Guest().Env.Registry.Addr
	// A registry answers this with an empty object, whoever asks.
	r, err := e.Run(ctx, append(fetchFrom(web), "http://"+addr+"/v2/")...)
	if err != nil {
		return err
	}
	if !r.OK() {
		return check.FailWith(r.Stdout+r.Stderr, "a container does not reach the network outside the host (http://%s/v2/): %s", addr, r.Said())
	}
	const name = "assay-network"
	defer e.Remove(ctx, name)
	if _, err := e.Must(ctx, "start a container in the background", "run", "-d", "--stop-signal", "KILL", "--name", name, web); err != nil {
		return err
	}
	out, err := e.Must(ctx, "inspect a container", "inspect", "--format", "{{json .NetworkSettings}}", name)
	if err != nil {
		return err
	}
	ip := firstAddress(out)
	if !ip.IsValid() {
		return check.Failf("a running container has no address (inspect says %q)", out)
	}
	page, err := e.Must(ctx, "reach one container from another", append(fetchFrom(web), "http://"+netip.AddrPortFrom(ip, 80).String()+"/")...)
	if err != nil {
		return err
	}
	if !strings.Contains(page, testPage) {
		return check.Failf("one container asks another for its page and gets %q", page)
	}
	return nil
}

// fetchFrom is a command that gets a page from within a container. A network
// that swallows packets must end as a failure, not as a command that never
// ends; busybox's own -T crashes in some builds.
func fetchFrom(image string) []string {
	return []string{"run", "--rm", image, "sh", "-c",
		`wget -q -O - "$1" & w=$!; (sleep 30; kill $w) >/dev/null 2>&1 & wait $w`, "sh"}
}

// firstAddress is a container's address on any of its networks. New engines tell
// it by network alone, old ones outside of them.
func firstAddress(settings string) netip.Addr {
	type address struct{ IPAddress string }
	var s struct {
		address
		Networks map[string]address
	}
	if json.Unmarshal([]byte(settings), &s) != nil {
		return netip.Addr{}
	}
	all := []string{s.IPAddress}
	for _, name := range slices.Sorted(maps.Keys(s.Networks)) {
		all = append(all, s.Networks[name].IPAddress)
	}
	for _, a := range all {
		if ip, err := netip.ParseAddr(a); err == nil {
			return ip
		}
	}
	return netip.Addr{}
}
