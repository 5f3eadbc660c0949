package guest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// samples lists real files of one kind, and skips where there are none.
func samples(t testing.TB, pattern string) []string {
	t.Helper()
	dir := os.Getenv("ASSAY_SAMPLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "samples")
	}
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Skipf("0 samples of %s in ASSAY_SAMPLES (%s)", pattern, dir)
	}
	return names
}

func TestParseJournal(t *testing.T) {
	text := `{"MESSAGE":"plain","_PID":"12","PRIORITY":"3","_SYSTEMD_UNIT":"a.service","SYSLOG_IDENTIFIER":"a","__REALTIME_TIMESTAMP":"1700000000000001","_BOOT_ID":"00000000000040008000000000000001","_TRANSPORT":"journal","MESSAGE_ID":"abc"}
{"MESSAGE":[104,195,188,104,255],"_COMM":"b","UNIT":"b.service","_SYSTEMD_UNIT":"init.scope","BIG":null}

{ "MESSAGE" : ["one","two"], "PRIORITY":"99", "MIXED":["x",[121,122],null] }`
	got, err := ParseJournal(strings.NewReader(text))
	if err != nil || len(got) != 3 {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	a := got[0]
	if a.Message != "plain" || a.PID != 12 || a.Priority != 3 || a.Unit != "a.service" || a.Ident != "a" || a.Transport != "journal" ||
		a.MessageID != "abc" || !a.Time.Equal(time.UnixMicro(1700000000000001)) || a.BootID != "00000000-0000-4000-8000-000000000001" {
		t.Errorf("%+v", a)
	}
	if b := got[1]; b.Message != "hüh\uFFFD" || b.Ident != "b" || b.Unit != "b.service" || b.Priority != 6 {
		t.Errorf("%+v", b)
	} else if _, ok := b.Fields["BIG"]; ok {
		t.Error("a field that was left out is there")
	}
	if c := got[2]; c.Message != "one\ntwo" || c.Priority != 6 || c.Fields["MIXED"] != "x\nyz" || !c.Time.IsZero() {
		t.Errorf("%+v", c)
	}
}

func TestParseJournalRefuses(t *testing.T) {
	good := `{"MESSAGE":"x"}`
	for _, bad := range []string{`{`, `null`, `[]`, `5`, `{"MESSAGE":5}`, `{"MESSAGE":true}`, `{"MESSAGE":[256]}`, `{"MESSAGE":[1.5]}`,
		`{"MESSAGE":[-1]}`, `{"MESSAGE":{}}`, `{"MESSAGE":[[["x"]]]}`, `{"MESSAGE":["x",5]}`, `-- No entries --`} {
		got, err := ParseJournal(strings.NewReader(good + "\n" + bad))
		if err == nil || !strings.Contains(err.Error(), "entry 2") {
			t.Errorf("%s gives %v", bad, err)
		}
		if len(got) != 1 {
			t.Errorf("%s: the %d entries before it; want 1", bad, len(got))
		}
	}
}

func TestParseJournalSamples(t *testing.T) {
	for _, name := range samples(t, "systemd/journal-json/*") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseJournal(bytes.NewReader(b))
		if err == nil && (len(got) != 1 || got[0].Message == "" && got[0].MessageID == "") {
			t.Errorf("%s gives %+v", name, got)
		}
		// One was cut in the middle of a text when it was collected.
		if cut := strings.Contains(name, "truncated"); (err != nil) != cut {
			t.Errorf("%s: %v", filepath.Base(name), err)
		}
	}
}

func FuzzParseJournal(f *testing.F) {
	f.Add([]byte(`{"MESSAGE":["a",[98],null],"PRIORITY":"0"}`))
	f.Add([]byte(`{"MESSAGE":[1,2,255]}{"_PID":"9"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, _ := ParseJournal(bytes.NewReader(b))
		for _, e := range entries {
			if e.Priority < 0 || e.Priority > 7 || !utf8.ValidString(e.Message) {
				t.Errorf("%+v", e)
			}
		}
	})
}

func TestJournalArgs(t *testing.T) {
	got := strings.Join(journalArgs(JournalQuery{Boot: -1, Unit: "a.service", Transport: "kernel", MaxPriority: "0", Grep: "-x", Limit: 5}), " ")
	want := "journalctl --output=json --all --quiet --no-pager --reverse --boot=-1 --lines=5 --unit=a.service --priority=0 --grep=-x _TRANSPORT=kernel"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
