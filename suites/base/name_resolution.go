package base

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "name-resolution", Title: "the host resolves names with the name server that DHCP tells it of, and localhost", Limit: 3 * time.Minute, Run: nameResolution,
})

const (
	// lookupLimit is for one lookup, on a KVM host. glibc gives a server up
	// after 10 seconds.
	lookupLimit = 20 * time.Second
	// lookupsLimit is for all lookups of the check, the pause between them, and what
	// systemd-resolved is asked.
	lookupsLimit = 150 * time.Second
)

// resolveScript prints the addresses of $1 and of localhost, as all programs that
// use the C library get them, and what they were made of; a lookup may take $2
// seconds. A resolver that was asked while the network came up may hold that against
// the server for a moment: it is asked again. getent ends with 1 where it does not
// know the question. Without a timeout that takes these arguments, as busybox's before
// 1.30, there is no limit here. Of systemd-resolved, what it says counts, and where it
// has no program to ask, its files.
const resolveScript = `
command -v getent >/dev/null 2>&1 || exit 127
limit=; timeout 1 true >/dev/null 2>&1 && limit="timeout $2"
lookup() {
	out=$($limit getent "$1" "$2" 2>/dev/null); rc=$?
	[ "$rc" = 1 ] && exit 127
	[ -n "$out" ] && echo "$out" | sed 's/[[:space:]].*//' | sort -u | sed "s/^/$3 /"
}
lookup ahostsv4 "$1" served || { sleep 5; lookup ahostsv4 "$1" served; }
lookup ahosts localhost local
sed -n 's/^hosts:[[:space:]]*/nsswitch hosts: /p' /etc/nsswitch.conf 2>/dev/null
ls -l /etc/resolv.conf 2>&1 | sed 's/^/file /'
sed -n 's/^/resolv.conf: /p' /etc/resolv.conf 2>/dev/null
if command -v resolvectl >/dev/null 2>&1; then
	for what in dns domain status; do $limit resolvectl --no-pager $what 2>/dev/null | sed "s/^/resolvectl $what /"; done
else
	for f in /usr/lib/systemd/resolved.conf /etc/systemd/resolved.conf /usr/lib/systemd/resolved.conf.d/*.conf /run/systemd/resolved.conf.d/*.conf /etc/systemd/resolved.conf.d/*.conf; do
		[ -f "$f" ] && sed -n 's/^[[:space:]]*\(DNS\|Domains\|DNSSEC\|DNSOverTLS\)[[:space:]]*=[[:space:]]*/resolved.conf \1=/p' "$f"
	done
fi
exit 0`

func nameResolution(ctx context.Context, t *check.T) error {
	name, address := t.Env.ServedName, t.Env.ServedAddress
	if name == "" {
		return check.Skipf("the guest's network has no name to ask for")
	}
	limit := strconv.Itoa(int(t.Scaled(lookupLimit).Seconds()))
	out, err := probe.OutputWithin(ctx, t, lookupsLimit, "getent that looks for hosts", resolveScript, name, limit)
	if err != nil {
		return err
	}
	served, local := linesOf("served", out), linesOf("local", out)
	if why := ownResolver(out, address); why != "" && !slices.Contains(served, address) {
		return check.Skipf("%s; in a closed network that resolves nothing, or something else", why)
	}
	switch {
	case len(served) == 0:
		return check.FailWith(out, "the host resolves no names: getent ahostsv4 %s finds nothing, and the name server that DHCP offers knows it (see /etc/resolv.conf and \"hosts:\" in /etc/nsswitch.conf)", name)
	case !slices.Contains(served, address):
		return check.FailWith(out, "the host resolves %s to %s, and the name server that DHCP offers says %s", name, probe.Some(served), address)
	case len(local) == 0:
		return check.FailWith(out, "the host does not resolve localhost (see /etc/hosts and \"hosts:\" in /etc/nsswitch.conf)")
	}
	return nil
}

// linesOf are the lines of out that begin with kind, without it.
func linesOf(kind, out string) (rest []string) {
	for _, l := range probe.Lines(out) {
		if r, ok := strings.CutPrefix(l, kind+" "); ok {
			rest = append(rest, r)
		}
	}
	return rest
}
