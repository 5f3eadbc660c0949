package deployments

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// A step that takes too long is told, whichever it is; without a timeout that takes
// these arguments, as busybox's of old, nothing is cut.
func TestPackagedScript(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	object, usr := strings.Repeat("e", 64), dir+"/sysroot/ostree/deploy/os/deploy/abc.0/usr"
	put("sysroot/ostree/repo/objects/ee/"+object[2:]+".file", "text")
	put("sysroot/ostree/deploy/os/deploy/abc.0/usr/bin/foo", "text")
	put("sysroot/ostree/deploy/os/deploy/abc.1/usr/bin/foo", "text")
	// The time-out that stands in cuts the program whose name is in the file "cuts".
	const timeout = "#!/bin/sh\nshift\n[ \"$1\" = \"$(cat \"${0%/*}/cuts\")\" ] && exit 124\nexec \"$@\"\n"
	const old = "#!/bin/sh\necho 'Usage: timeout [-t SECS] PROG ARGS' >&2\nexit 1\n"
	put("bin/rpm", "#!/bin/sh\necho '..5....T.    /bin/foo'\n")
	put("bin/find", "#!/bin/sh\necho \"$1/bin/foo\"\n")
	const said = "of /usr/bin/foo ..5....T.    /bin/foo\n"
	for name, c := range map[string]struct{ timeout, cuts, want string }{
		"in time":           {timeout, "nothing", said},
		"the search is cut": {timeout, "find", "cut find " + usr + " -xdev -samefile " + dir + "/sysroot/ostree/repo/objects/ee/" + object[2:] + ".file\n"},
		"the package is":    {timeout, "rpm", "cut rpm -Vf --nodeps --noscripts /usr/bin/foo\n"},
		"an old busybox":    {old, "", said},
	} {
		put("bin/timeout", c.timeout)
		put("bin/cuts", c.cuts)
		script := strings.ReplaceAll(strings.ReplaceAll(PackagedScript, "/sysroot/", dir+"/sysroot/"), `[ -s "$f" ]`, "true")
		cmd := exec.Command("sh", "-c", script, "sh", object, "abc", "60")
		cmd.Env = append(os.Environ(), "PATH="+dir+"/bin:"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != c.want {
			t.Errorf("%s: %v, %q, want %q", name, err, out, c.want)
		}
	}
}
