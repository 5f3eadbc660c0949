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
	"assay/suites/probe"
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
	url := engine.RegistryURL(e.Guest())
	r, err := e.Run(ctx, fetchFrom(e, web, url)...)
	if err != nil {
		return err
	}
	if !r.OK() {
		return engine.OfImage(ctx, e.Guest(), check.FailWith(r.Stdout+r.Stderr, "a container does not reach the network outside the host (%s): %s", url, r.Said()))
	}
	const name = "assay-network"
	defer e.Remove(ctx, name)
	if _, err := e.Must(ctx, "start a container in the background", "run", "-d", "--stop-signal", "KILL", "--name", name, web); err != nil {
		return err
	}
	out, err := e.Must(ctx, "inspect a container", "inspect", name) // podman 2.2's templates know no JSON
	if err != nil {
		return err
	}
	ip := firstAddress(out)
	if !ip.IsValid() {
		return check.FailWith(probe.Clip(out, 8000), "a running container has no address that inspect tells")
	}
	page, err := e.Must(ctx, "reach one container from another", fetchFrom(e, web, "http://"+netip.AddrPortFrom(ip, 80).String()+"/")...)
	if err != nil {
		return err
	}
	if !strings.Contains(page, testPage) {
		return check.Failf("one container asks another for its page and gets %q", page)
	}
	return nil
}

// fetchLimit is for one page, on a KVM host.
const fetchLimit = 30 * time.Second

// fetchFrom is a command that gets a page from within a container of image, with
// further options of run. A network that swallows packets must end as a failure,
// not as a command that never ends; busybox's own -T crashes in some builds.
func fetchFrom(e engine.Engine, image, url string, options ...string) []string {
	run := append([]string{"run", "--rm"}, options...)
	return append(run, image, "sh", "-c",
		`wget -q -O - "$2" & w=$!; (sleep "$1"; kill $w) >/dev/null 2>&1 & wait $w`, "sh", engine.Seconds(e.Guest(), fetchLimit), url)
}

// firstAddress is a container's address on any of its networks. New engines tell
// it by network alone, old ones outside of them.
func firstAddress(inspected string) netip.Addr {
	type address struct{ IPAddress string }
	var list []struct {
		NetworkSettings struct {
			address
			Networks map[string]address
		}
	}
	if json.Unmarshal([]byte(inspected), &list) != nil || len(list) != 1 {
		return netip.Addr{}
	}
	s := list[0].NetworkSettings
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
