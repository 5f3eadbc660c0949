package storage

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"assay/reports"
	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "driver", Title: "containers are stored with the configured driver, one that shares layers", Limit: 2 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, driver) },
})

// fitDrivers share layers between images and containers. vfs copies every
// layer, aufs is gone from kernels. overlayfs is containerd's name for what
// docker stores in by default since 29.
var fitDrivers = map[string]bool{"overlay": true, "overlay2": true, "overlayfs": true, "devicemapper": true, "btrfs": true, "zfs": true}

// configScript prints the files that choose the driver, the last one that does counts.
const configScript = `
case $1 in
podman)
	for f in /usr/share/containers/storage.conf /etc/containers/storage.conf; do
		sed -n 's/^ *driver *= *"\([^"]*\)".*/driver=\1/p' "$f" 2>/dev/null
	done ;;
docker)
	cat /etc/sysconfig/docker-storage /etc/sysconfig/docker /etc/default/docker /usr/lib/systemd/system/docker.service /etc/systemd/system/docker.service.d/*.conf 2>/dev/null |
		sed -n '/^#/d; /^ExecSt\(artP\|op\)/d; s/.*\(--storage-driver[= ]\|[" ]-s \)\([a-z0-9][a-z0-9]*\).*/driver=\2/p'
	echo "json=$(tr -d '\n' < /etc/docker/daemon.json 2>/dev/null)" ;;
esac
exit 0`

func driver(ctx context.Context, e engine.Engine) error {
	info, infoErr := e.Facts(ctx)
	if infoErr != nil && check.Classify(infoErr).Outcome != reports.Failed {
		return infoErr
	}
	out, err := probe.Output(ctx, e.Guest(), "sh", configScript, string(e.Name))
	if err != nil {
		return err
	}
	configured := configuredDriver(out)
	switch {
	case infoErr != nil && configured != "" && !fitDrivers[configured]:
		// The engine is broken in another way, too; that is for others to say.
		return check.FailWith(out, "the configured storage driver is %s, which does not share layers; overlay is the one to use", configured)
	case infoErr != nil:
		return infoErr
	case info.Driver == "":
		return check.Failf("%s info names no storage driver", e.Name)
	case configured != "" && !sameDriver(configured, info.Driver):
		return check.FailWith(out, "the storage driver in use is %s, the configured one %s", info.Driver, configured)
	case !fitDrivers[info.Driver]:
		return check.FailWith(out, "the storage driver is %s, which does not share layers; overlay is the one to use (driver in storage.conf, storage-driver in daemon.json)", info.Driver)
	}
	return nil
}

// configuredDriver is the driver that the configuration names; empty is the engine's choice.
func configuredDriver(out string) string {
	var conf struct {
		Driver string `json:"storage-driver"`
	}
	p := probe.Pairs(out)
	if json.Unmarshal([]byte(p["json"]), &conf) == nil && conf.Driver != "" {
		return conf.Driver
	}
	return p["driver"]
}

// overlayNames are one driver under several names: docker's first overlay had
// another layout, podman's overlay is docker's overlay2, containerd's overlayfs.
var overlayNames = regexp.MustCompile(`^overlay(2|fs)?$`)

func sameDriver(a, b string) bool {
	return strings.EqualFold(a, b) || overlayNames.MatchString(a) && overlayNames.MatchString(b)
}
