package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
)

func TestFollow(t *testing.T) {
	g := guesttest.New(t)
	g.On("sh", "-c", guesttest.Containing("set-origin"), "follow", "assay", "http://192.0.2.1/repo", "os/next", "false", originScript)
	if err := Follow(t.Context(), g, "http://192.0.2.1/repo", "os/next", false); err != nil {
		t.Fatal(err)
	}
	g.On("sh", "-c", guesttest.Containing("insecure"), "follow", "192.0.2.1:5000")
	if err := TrustRegistry(t.Context(), g, "192.0.2.1:5000"); err != nil {
		t.Fatal(err)
	}
	g.On("sh", "-c", guesttest.Containing("prefix"), "follow", "quay.example/os", "192.0.2.1:5001/assay/os").Exits(1)
	var ce *guest.CommandError
	if err := FollowImage(t.Context(), g, "quay.example/os", "192.0.2.1:5001/assay/os"); !errors.As(err, &ce) {
		t.Errorf("a script that fails: %v", err)
	}
	g.AssertAllUsed()
}

func TestFollowRefusesNonsense(t *testing.T) {
	g := guesttest.New(t) // knows no command: none may be run
	for _, ref := range []string{"", "--help", "a b", "x;y"} {
		if Follow(t.Context(), g, "http://192.0.2.1/repo", ref, true) == nil {
			t.Errorf("ref %q was taken", ref)
		}
	}
	if TrustRegistry(t.Context(), g, "x\"\n[[registry]]") == nil || FollowImage(t.Context(), g, "", "y") == nil ||
		FollowImage(t.Context(), g, "x\"", "y") == nil {
		t.Error("names that break out of the file were taken")
	}
}

func TestFollowScript(t *testing.T) {
	const packages = "\n[packages]\nrequested=vim;refspec;\n# refspec=note\n\n[overrides]\nremove=x\n"
	for name, c := range map[string]struct {
		origin, want string // want empty: set-origin writes it
		exit         int
	}{
		"layered": {"[origin]\nbaserefspec=old:os/stable\noverride-commit=abc\n" + packages, "[origin]\nbaserefspec=assay:os/next\noverride-commit=abc\n" + packages, 0},
		"refspec": {"[origin]\nrefspec = old:os/stable\n" + packages + "[rpmostree]\nrefspec=kept\nregenerate-initramfs=true", "[origin]\nrefspec=assay:os/next\n" + packages + "[rpmostree]\nrefspec=kept\nregenerate-initramfs=true\n", 0},
		"image":   {"[origin]\ncontainer-image-reference=ostree-unverified-registry:q/os:1\nunconfigured-state=no\n" + packages, "[origin]\nrefspec=assay:os/next\n" + packages, 0},
		"bare":    {"[origin]\nrefspec=old:os/stable\n", "", 0},
		"none":    {"[packages]\nrequested=vim\n[overrides]\n", "[packages]\nrequested=vim\n[overrides]\n", 1},
	} {
		for _, daemon := range []bool{true, false} {
			root := t.TempDir()
			sum := strings.Repeat("a", 64)
			file := filepath.Join(root, "sysroot/ostree/deploy/os/deploy", sum+".0.origin")
			touch(t, file, c.origin, 0o644)
			programs := map[string]string{
				"ostree":  `echo "ostree $*" >>"` + root + `/log"; [ "$*" != "admin status" ] || printf '  os ` + strings.Repeat("b", 64) + `.0 (pending)\n* os ` + sum + `.0\n    Version: 1\n'`,
				"unshare": `shift; exec "$@"`, "mount": `exit 1`,
			}
			if daemon {
				programs["rpm-ostree"] = `echo "rpm-ostree $*" >>"` + root + `/log"`
			}
			origin := strings.ReplaceAll(originScript, "/sysroot", root+"/sysroot")
			_, exit := runScript(t, followScript, root, programs, "assay", "http://x/repo", "os/next", "false", origin)
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			log, err := os.ReadFile(filepath.Join(root, "log"))
			if err != nil {
				t.Fatal(err)
			}
			want := c.want
			if want == "" {
				want = c.origin
			}
			if exit != c.exit || string(got) != want {
				t.Errorf("%s: exit %d, origin:\n%s\nwant:\n%s", name, exit, got, want)
			}
			if !strings.Contains(string(log), "ostree remote delete --if-exists assay\n") ||
				strings.Contains(string(log), "ostree admin set-origin --set=gpg-verify=false assay http://x/repo os/next\n") != (c.want == "") ||
				strings.Contains(string(log), "ostree remote add --set=gpg-verify=false assay http://x/repo\n") != (c.want != "") ||
				strings.Contains(string(log), "rpm-ostree reload\n") != (daemon && c.exit == 0) {
				t.Errorf("%s: it ran\n%s", name, log)
			}
			if left, _ := filepath.Glob(file + ".*"); left != nil {
				t.Errorf("%s: it left %v", name, left)
			}
		}
	}
}
