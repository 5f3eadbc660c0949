package livedin

import (
	"errors"
	"os/exec"
	"slices"
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

func TestScriptsParse(t *testing.T) {
	for _, s := range []string{prepare, look} {
		if out, err := exec.Command("sh", "-n", "-c", s).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}
