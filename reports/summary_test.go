package reports

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestSummaryStaysOnTheScreen(t *testing.T) {
	run := &Run{Suites: []Suite{{Name: "a"}}}
	for i := range 100 {
		run.Suites[0].Cases = append(run.Suites[0].Cases, blocking(CaseID(fmt.Sprintf("a/c%d", i)), Failed, FaultImage))
	}
	run.Suites[0].Cases = append(run.Suites[0].Cases, advisory("a/late", Failed, FaultImage))
	run.Conclude()
	var b bytes.Buffer
	if err := Summary(&b, run, false); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	if strings.Count(out, "\n") > 3*summaryCases || !strings.Contains(out, "and 89 more: see the page") ||
		strings.Contains(out, "Advisory") || strings.Contains(out, "page:") || strings.Contains(out, "\x1b") {
		t.Errorf("the summary is\n%s", out)
	}
	b.Reset()
	if err := Summary(&b, run, true); err != nil || !strings.HasPrefix(b.String(), "\x1b[1;31m✗ REJECTED\x1b[0m") {
		t.Errorf("%v: %.60q", err, b.String())
	}
}
