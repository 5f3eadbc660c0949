package usercheck

import (
	"context"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
)

// TestOverSSH runs real checks over a real connection, on this machine.
func TestOverSSH(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	asMe := "#   user: " + me.Username + "\n"
	if me.Uid == "0" {
		asMe = ""
	}
	head := "#!/bin/sh\n# assay:\n#   title: t\n" + asMe + "\n"
	all, err := Find([]string{folder(t, map[string]string{
		"fails.sh*": head + "echo \"on $ASSAY_CHECK\"; cat data/words; exit 3\n",
		"skips.sh*": head + "echo 'not here'; exit 77\n",
		"absent*":   "#!/no/such/interpreter\n" + strings.TrimPrefix(head, "#!/bin/sh\n"),
		"crash.sh*": head + "echo last words; kill -SEGV $$\n",
		"reboot.sh*": head + `case $AUTOPKGTEST_REBOOT_MARK in
"") echo first > "$ASSAY_TMP/kept"; echo before; autopkgtest-reboot one ;;
one) cat "$ASSAY_TMP/kept"; autopkgtest-reboot two; echo not reached; exit 1 ;;
two) echo third ;;
esac
`,
		"late.sh*":   head + "echo begun; exec sleep 60\n",
		"data/words": "the data\n",
	})})
	if err != nil {
		t.Fatal(err)
	}
	srv := guesttest.NewServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	g, _, err := guest.Await(ctx, srv.Config(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	output, base := t.TempDir(), t.TempDir()
	want := map[string]struct {
		outcome reports.Outcome
		fault   reports.Fault
		says    string
		output  string
	}{
		"fails":  {reports.Failed, reports.FaultImage, "the data", "on user/fails\nthe data\n"},
		"skips":  {reports.Skipped, "", "not here", "not here\n"},
		"absent": {reports.Errored, reports.FaultTest, "exit status 127", "not found"},
		"crash":  {reports.Failed, reports.FaultImage, "last words", "last words\n"},
		"reboot": {reports.Passed, "", "", "before\n--- reboot; the check goes on with mark \"one\" ---\nfirst\n--- reboot; the check goes on with mark \"two\" ---\nthird\n"},
		"late":   {reports.Errored, reports.FaultInfra, "took longer than", "begun\n"},
	}
	for _, c := range all {
		if err := c.Pack(filepath.Join(t.TempDir(), "b")); err != nil {
			t.Fatal(err)
		}
		c.places = &places{checks: base + "/", links: t.TempDir()}
		if c.Name == "late" {
			c.Limit = 300 * time.Millisecond
		}
		j := c.Registered(output).Do(ctx, &check.T{Guest: g, Env: check.Env{}, Log: t.Logf})
		w := want[c.Name]
		if j.Outcome != w.outcome || j.Fault != w.fault || !strings.Contains(j.Message, w.says) {
			t.Errorf("%s: %+v, want %s, fault %q, %q", c.Name, j, w.outcome, w.fault, w.says)
		}
		b, err := os.ReadFile(filepath.Join(output, OutputName(c.ID())))
		if err != nil || !strings.Contains(string(b), w.output) {
			t.Errorf("%s printed %q, %v, want %q", c.Name, b, err, w.output)
		}
	}
	if len(all) != len(want) {
		t.Errorf("%d checks were run, %d were wanted", len(all), len(want))
	}
}
