package upgrade

import (
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	dt "assay/suites/deployments/deploymentstest"
	"assay/suites/suitetest"
)

// The new tree is asked what suite base asks of the first boot. How each answer is
// judged is tested there.
func TestQuiet(t *testing.T) {
	prints := func(script, out string) dt.Change {
		return func(h *dt.Host, _ *check.Env) {
			h.On("sh", "-c", guesttest.Containing(script), guesttest.Rest).Prints(out)
		}
	}
	logs := func(entries ...guest.Entry) dt.Change {
		return func(h *dt.Host, _ *check.Env) { h.Logs(entries...) }
	}
	kernel := func(line string) guest.Entry {
		return guest.Entry{Ident: "kernel", Transport: "kernel", Message: line}
	}
	for id, c := range map[reports.CaseID]struct{ well, ill []dt.Change }{
		"upgrade/flapping-units": {
			[]dt.Change{prints("NRestarts", "Id=a.service\nActiveState=active\nSubState=running\nNRestarts=0\n")},
			[]dt.Change{prints("NRestarts", "Id=a.service\nActiveState=activating\nSubState=auto-restart\nNRestarts=9\n"), logs()}},
		"upgrade/core-dumps": {
			[]dt.Change{prints("coredumpctl", ""), logs()},
			[]dt.Change{prints("coredumpctl", "file: /var/lib/systemd/coredump/core.x\n"), logs()}},
		"upgrade/journal-clean": {
			[]dt.Change{logs(guest.Entry{Ident: "systemd", Message: "Started a.service"})},
			[]dt.Change{logs(guest.Entry{Ident: "systemd", Message: "sockets.target: Found ordering cycle on a.socket/start"})}},
		"upgrade/console-clean": {
			[]dt.Change{logs(kernel("Linux version 6.12"))},
			[]dt.Change{logs(kernel("BUG: kernel NULL pointer dereference, address: 0000000000000010"))}},
		"upgrade/listeners": {
			[]dt.Change{prints("ss -plutn", "tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:((\"sshd\",pid=1,fd=3))\n")},
			[]dt.Change{prints("ss -plutn", "tcp LISTEN 0 128 0.0.0.0:8080 0.0.0.0:* users:((\"python3\",pid=1,fd=3))\n")}},
	} {
		suitetest.Run(t, id, []suitetest.Case{
			{Name: "as before", Guest: dt.Lived(t, dt.Plain, c.well...)},
			{Name: "worse", Want: reports.Failed, Guest: dt.Lived(t, dt.Plain, c.ill...)},
		})
	}
}
