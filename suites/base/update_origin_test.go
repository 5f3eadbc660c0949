package base

import (
	"strings"
	"testing"

	"assay/reports"
	"assay/suites/suitetest"
)

func TestUpdateOrigin(t *testing.T) {
	suitetest.Run(t, "base/update-origin", []suitetest.Case{
		{Name: "remote", Guest: says(originScript, "refspec=fedora:fedora/x86_64/coreos/stable\nurl=https://ostree.example/\n")},
		{Name: "layered", Guest: says(originScript, "baserefspec=fedora:x\nurl=https://ostree.example/\n")},
		{Name: "image", Guest: says(originScript, "container-image-reference=ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable\n")},
		{Name: "no remote", Want: reports.Failed, Says: []string{"updates of os/stable are to come from remote own", `Remote "own" not found`},
			Guest: says(originScript, "refspec=own:os/stable\nerror=error: Remote \"own\" not found\n")},
		{Name: "no image", Want: reports.Failed, Says: []string{"container-image-reference is empty"}, Guest: says(originScript, "container-image-reference=\n")},
		{Name: "nothing", Want: reports.Failed, Says: []string{"neither a refspec nor a container image"}, Guest: says(originScript, "")},
		{Name: "no file", Want: reports.Failed, Says: []string{"no origin file"}, Guest: says(originScript, "absent=1\n")},
		{Name: "the user's to say", Want: reports.Skipped, Says: []string{"subscription"}, Guest: says(originScript, "refspec=a:b\nerror=x\nunconfigured-state=needs a subscription\n")},
		{Name: "local", Want: reports.Skipped, Guest: says(originScript, "refspec=os/stable\n")},
		{Name: "no tool", Want: reports.Skipped, Guest: says(originScript, "refspec=a:b\nnotool=1\n")},
		lacks(originScript),
	})
}

func TestOriginScript(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "cmdline", "root=x ostree=/ostree/boot.0/os/abc/0 quiet\n")
	program(t, dir, "bin/ostree", `[ "$3" = good ] && echo http://updates.example/ && exit
echo "error: Remote \"$3\" not found" >&2; exit 1
`)
	put(t, dir, "ostree/boot.0/os/abc/0/x", "")
	roots := []string{"/proc/cmdline", dir + "/cmdline", "/sysroot/", dir + "/"}
	if out := shell(t, originScript, dir+"/bin", roots); out != "absent=1\n" {
		t.Errorf("without a file: %q", out)
	}
	for origin, want := range map[string]string{
		"[origin]\nrefspec=good:os/stable\n":               "refspec=good:os/stable\nurl=http://updates.example/\n",
		"[origin]\nbaserefspec = bad:os/stable\n":          "baserefspec=bad:os/stable\nerror=error: Remote \"bad\" not found\n",
		"[origin]\nrefspec=os/stable\n":                    "refspec=os/stable\n",
		"[origin]\ncontainer-image-reference=ostree:x:1\n": "container-image-reference=ostree:x:1\n",
	} {
		put(t, dir, "ostree/boot.0/os/abc/0.origin", origin)
		if out := shell(t, originScript, dir+"/bin", roots); out != want {
			t.Errorf("%s: %q, want %q", strings.TrimSpace(origin), out, want)
		}
	}
}
