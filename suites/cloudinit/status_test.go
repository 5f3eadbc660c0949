package cloudinit

import (
	"testing"

	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

// says plans that the check's script prints out, and lacks that it finds no cloud-init.
func says(script, out string) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, _ *check.Env) {
		g.On("sh", "-c", script, guesttest.Rest).Prints(out)
	}
}

func lacks(script string) suitetest.Case {
	return suitetest.Case{Name: "no cloud-init", Want: reports.Skipped, Says: []string{"no cloud-init"},
		Guest: func(g *guesttest.Fake, _ *check.Env) { g.On("sh", "-c", script, guesttest.Rest).Exits(127) }}
}

func TestStatus(t *testing.T) {
	suitetest.Run(t, "cloud-init/status", []suitetest.Case{
		{Name: "done", Guest: says(statusScript, `{"v1":{"datasource":"DataSourceNoCloud [seed=/dev/sr0]","stage":null,
			"init":{"errors":[],"recoverable_errors":{"DEPRECATED":["x"]},"start":1,"finished":2}}}`)},
		{Name: "error", Want: reports.Failed, Says: []string{"cloud-init failed: ('scripts-user', boom)"},
			Guest: says(statusScript, `{"v1":{"modules-final":{"errors":["('scripts-user',\n boom)"],"start":1,"finished":2}}}`)},
		{Name: "root without a device", Guest: says(statusScript, `{"v1":{"init":{"errors":[],"recoverable_errors":{"WARNING":["Device '/dev/composefs' did not exist. cannot resize: dev=composefs mnt_point=/ path=/"]},"start":1,"finished":2}}}`)},
		{Name: "complains", Want: reports.Failed, Says: []string{"WARNING: no such user"},
			Guest: says(statusScript, `{"v1":{"init":{"errors":[],"recoverable_errors":{"WARNING":["no such user"]},"start":1,"finished":2}}}`)},
		{Name: "still running", Want: reports.Failed, Says: []string{"stage modules-final"},
			Guest: says(statusScript, `{"v1":{"modules-final":{"start":3.5,"finished":null,"errors":[]}}}`)},
		{Name: "never started", Want: reports.Failed, Says: []string{"never started"}, Guest: says(statusScript, "")},
		{Name: "nothing ran", Want: reports.Failed, Says: []string{`"not started"`}, Guest: says(statusScript, `{"v1":{"stage":null}}`)},
		{Name: "disabled", Want: reports.Failed, Says: []string{"disabled"}, Guest: says(statusScript, "--disabled--\n")},
		{Name: "not JSON", Want: reports.Errored, Fault: reports.FaultTest, Guest: says(statusScript, "{half\n")},
		lacks(statusScript),
	})
}

func TestDatasource(t *testing.T) {
	const nocloud = `{"v1":{"datasource":"DataSourceNoCloud [seed=/dev/sr0][dsmode=net]"}}`
	suitetest.Run(t, "cloud-init/datasource", []suitetest.Case{
		{Name: "the seed", Guest: says(datasourceScript, "instance=iid-assay-1\n--status--\n"+nocloud)},
		{Name: "none", Want: reports.Failed, Says: []string{"did not see the seed"},
			Guest: says(datasourceScript, "instance=iid-datasource-none\n--status--\n"+`{"v1":{"datasource":"DataSourceNone"}}`)},
		{Name: "another source", Want: reports.Failed, Says: []string{"used DataSourceAzure"},
			Guest: says(datasourceScript, "instance=x\n--status--\n"+`{"v1":{"datasource":"DataSourceAzure"}}`)},
		{Name: "baked-in seed", Want: reports.Failed, Says: []string{`"i-old"`, `"iid-assay-1"`},
			Guest: says(datasourceScript, "instance=i-old\n--status--\n"+nocloud)},
		{Name: "never ran", Want: reports.Failed, Says: []string{"never started"}, Guest: says(datasourceScript, "instance=\n--status--\n")},
		{Name: "no seed", Want: reports.Skipped, Guest: func(_ *guesttest.Fake, e *check.Env) { e.InstanceID = "" }},
		lacks(datasourceScript),
	})
}
