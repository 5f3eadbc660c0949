package base

import (
	"context"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "journal-persistent", Title: "the journal is written to disk", Run: journalPersistent,
})

// journalScript prints where journal files of this machine are, and what
// configures that.
const journalScript = `
command -v journalctl >/dev/null 2>&1 || exit 127
id=$(head -n 1 /etc/machine-id)
[ -s "/var/log/journal/$id/system.journal" ] && echo 'disk=1'
[ -d /var/log/journal ] && echo 'folder=1'
ls /run/log/journal/*/system.journal >/dev/null 2>&1 && echo 'memory=1'
case $(stat -f -c %T /var/log 2>/dev/null) in tmpfs|ramfs) echo 'volatile=1' ;; esac
cat /usr/lib/systemd/journald.conf /usr/lib/systemd/journald.conf.d/*.conf /etc/systemd/journald.conf /etc/systemd/journald.conf.d/*.conf \
	/run/systemd/journald.conf.d/*.conf 2>/dev/null | sed -n 's/^ *Storage *= */storage=/p'
exit 0`

func journalPersistent(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "journald", journalScript)
	if err != nil {
		return err
	}
	p := probe.Pairs(out)
	switch {
	case p["volatile"] != "":
		return check.Failf("the journal is lost at every reboot: /var/log is in memory")
	case p["disk"] != "":
		return nil
	case p["storage"] == "volatile" || p["storage"] == "none":
		return check.Failf("the journal is not kept: journald is configured with Storage=%s", p["storage"])
	case p["folder"] == "":
		return check.Failf("the journal is not kept: /var/log/journal does not exist and Storage= is %s", orAuto(p["storage"]))
	}
	return check.Failf("the journal is not kept: /var/log/journal holds no system.journal of this machine-id (was it flushed? systemd-journal-flush.service)")
}

func orAuto(storage string) string {
	if storage == "" {
		return "auto"
	}
	return storage
}
