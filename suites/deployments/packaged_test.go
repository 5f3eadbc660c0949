package deployments

import (
	"os/exec"
	"testing"
)

func TestOtherBytes(t *testing.T) {
	const foo = "/usr/bin/foo"
	for name, c := range map[string]struct{ out, want string }{
		"no rpm":              {"", ""},
		"another label":       {"of " + foo + " .......T.    " + foo + "\n", ""},
		"damaged":             {"of " + foo + " ..5....T.    " + foo + "\n", foo},
		"by its older name":   {"of " + foo + " ..5....T.    /bin/foo\n", foo},
		"old rpm":             {"of " + foo + " ..5....T  c " + foo + "\n", foo},
		"edited by the image": {"of " + foo + " S.5....T.    " + foo + "\n", ""},
		"emptied":             {"empty " + foo + "\nof " + foo + " S.5....T.    " + foo + "\n", foo},
		"another file":        {"of " + foo + " ..5....T.    /usr/sbin/foo\nof " + foo + " ..5......    /usr/bin/foo2\n", ""},
		"missing":             {"of " + foo + " missing     " + foo + "\n", ""},
	} {
		if got := otherBytes(c.out); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestPackagedScriptParses(t *testing.T) {
	if out, err := exec.Command("sh", "-n", "-c", PackagedScript).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
