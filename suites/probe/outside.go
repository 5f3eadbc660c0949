package probe

import "slices"

// outside are units whose work is to ask the internet: for updates, for the time,
// to be counted. A guest's network is closed, so they fail where nothing is wrong.
var outside = []string{
	"apt-daily.service", "apt-news.service", "esm-cache.service", "motd-news.service",
	"bootc-fetch-apply-updates.service", "rpm-ostree-countme.service", "rpm-ostreed-automatic.service",
	"dnf-makecache.service", "dnf5-makecache.service", "flatpak-system-update.service", "podman-auto-update.service",
	"fwupd-refresh.service", "insights-client.service", "unbound-anchor.service",
	"chrony-wait.service", "systemd-time-wait-sync.service",
}

// AsksOutside reports whether a unit may fail for want of the internet alone.
func AsksOutside(unit string) bool { return slices.Contains(outside, unit) }
