package livedin

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
)

func TestMarks(t *testing.T) {
	g := guesttest.New(t)
	g.On("sh", "-c", prepare, "livedin", UserName, EtcFile, HostsFile, VarFile, UnitName).Prints("user\nvar-data\nnonsense\n")
	got, err := Prepare(t.Context(), g)
	if err != nil || !slices.Equal(got, []Mark{User, Data}) {
		t.Errorf("%v, %v", got, err)
	}
	g.On("sh", "-c", look, "livedin", UserName, EtcFile, HostsFile, VarFile, UnitName).Exits(2)
	var ce *guest.CommandError
	if _, err := Left(t.Context(), g); !errors.As(err, &ce) {
		t.Errorf("a script that fails: %v", err)
	}
}

// What is in a user's home is looked at, not only that there is a home. The scripts run
// here, with programs of the system played by shell functions.
func TestHomeIsLookedInto(t *testing.T) {
	home := t.TempDir()
	system := "id() { :; }\ngetent() { echo \"$2:x:1:1::" + home + ":/bin/sh\"; }\nchown() { :; }\nsystemctl() { return 1; }\nsync() { :; }\n"
	play := func(script string) []string {
		t.Helper()
		dir := t.TempDir()
		// The unit's file is no part of this.
		script = strings.ReplaceAll(script, "/etc/systemd/system/", dir+"/")
		cmd := exec.Command("sh", "-c", system+script, "livedin", UserName, dir+"/own", dir+"/hosts", dir+"/var/data", UnitName)
		out, err := cmd.Output()
		if err != nil {
			t.Log(err)
		}
		return strings.Fields(string(out))
	}
	if got := play(prepare); !slices.Contains(got, string(User)) {
		t.Fatalf("made %v", got)
	}
	if got := play(look); !slices.Contains(got, string(User)) {
		t.Errorf("left as it was: %v", got)
	}
	file := filepath.Join(home, "assay-lived")
	if err := os.WriteFile(file, []byte("other bytes"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := play(look); slices.Contains(got, string(User)) {
		t.Errorf("other bytes in the home: %v", got)
	}
	if got := play(prepare); !slices.Contains(got, string(User)) {
		t.Fatalf("made again %v", got)
	}
	for _, f := range []string{file, file + ".sha256"} {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	if got := play(look); slices.Contains(got, string(User)) {
		t.Errorf("an empty home: %v", got)
	}
	if err := os.Remove(home); err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{prepare, look} {
		if got := play(script); slices.Contains(got, string(User)) {
			t.Errorf("no home: %v", got)
		}
	}
}

func TestScriptsParse(t *testing.T) {
	for _, s := range []string{prepare, look} {
		if out, err := exec.Command("sh", "-n", "-c", s).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}
