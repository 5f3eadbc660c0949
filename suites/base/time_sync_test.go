package base

import (
	"testing"

	"assay/reports"
	"assay/suites/suitetest"
)

func TestTimeSync(t *testing.T) {
	unit := func(id, load, active, file string) string {
		return "Id=" + id + ".service\nLoadState=" + load + "\nActiveState=" + active + "\nUnitFileState=" + file + "\n\n"
	}
	none := unit("chronyd", "not-found", "inactive", "")
	suitetest.Run(t, "base/time-sync", []suitetest.Case{
		{Name: "fedora", Guest: says(timeScript, unit("chronyd", "loaded", "active", "enabled")+unit("systemd-timesyncd", "loaded", "inactive", "disabled"))},
		{Name: "enabled, not up", Guest: says(timeScript, none+unit("systemd-timesyncd", "loaded", "inactive", "enabled"))},
		{Name: "started by another", Guest: says(timeScript, none+unit("ntpd", "loaded", "active", "disabled"))},
		{Name: "left to others", Want: reports.Skipped, Guest: says(timeScript, none+unit("systemd-timesyncd", "loaded", "inactive", "disabled"))},
		{Name: "masked", Want: reports.Failed, Says: []string{"nothing keeps the clock right: systemd-timesyncd.service is masked"},
			Guest: says(timeScript, none+unit("systemd-timesyncd", "masked", "inactive", "masked"))},
		{Name: "all off", Want: reports.Failed, Says: []string{"chrony.service is disabled, systemd-timesyncd.service is masked"},
			Guest: says(timeScript, unit("chrony", "loaded", "inactive", "disabled")+unit("chrony", "loaded", "inactive", "disabled")+unit("systemd-timesyncd", "masked", "inactive", "masked"))},
		{Name: "none", Want: reports.Skipped, Says: []string{"no service that sets the clock"}, Guest: says(timeScript, none)},
		lacks(timeScript),
	})
}
