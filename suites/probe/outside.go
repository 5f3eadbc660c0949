package probe

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"assay/harness/guest"
)

// outside are units whose work is to ask the internet: for updates, for the time,
// to be counted. A guest's network is closed, so they fail where nothing is wrong.
var outside = []string{
	"apt-daily.service", "apt-news.service", "esm-cache.service", "motd-news.service",
	"bootc-fetch-apply-updates.service", "rpm-ostree-countme.service", "rpm-ostreed-automatic.service",
	"dnf-makecache.service", "dnf5-makecache.service", "flatpak-system-update.service", "podman-auto-update.service",
	"fwupd-refresh.service", "insights-client.service", "unbound-anchor.service",
	"chrony-wait.service", "systemd-time-wait-sync.service",
}

// Held splits failed units into those that count and those that are passed over:
// units that ask the internet, and failed as a program does that gets no answer.
// One that cannot be started, or crashes, counts whatever it is for.
func Held(ctx context.Context, g guest.Guest, failed []string) (counts, passed []string, err error) {
	var asking []string
	for _, u := range failed {
		if slices.Contains(outside, u) {
			asking = append(asking, u)
		}
	}
	if len(asking) == 0 {
		return failed, nil, nil
	}
	show, err := guest.Ask(ctx, g, append([]string{"systemctl", "show", "--no-pager", "--property=Id,Result,ExecMainStatus", "--"}, asking...)...)
	if err != nil {
		return nil, nil, err
	}
	for _, block := range strings.Split(show.Stdout, "\n\n") {
		if p := Pairs(block); unanswered(p) && slices.Contains(asking, p["Id"]) {
			passed = append(passed, p["Id"])
		}
	}
	counts = slices.DeleteFunc(slices.Clone(failed), func(u string) bool { return slices.Contains(passed, u) })
	return counts, passed, nil
}

// unanswered reports whether a unit's end can come of a closed network. From 126
// on stand a shell's and systemd's own codes for a program that did not run.
func unanswered(p map[string]string) bool {
	status, err := strconv.Atoi(p["ExecMainStatus"])
	return p["Result"] == "timeout" || p["Result"] == "exit-code" && err == nil && status < 126
}
