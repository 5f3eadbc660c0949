package host

import (
	"context"
	"errors"
	"strings"
	"testing"

	"assay/harness/guest/guesttest"
)

var (
	oldTree = strings.Repeat("0", 64)
	newTree = strings.Repeat("1", 64)
)

func status(lines ...string) string { return strings.Join(lines, "\n") + "\n" }

func guestWith(t *testing.T, origin string, after ...string) *guesttest.Fake {
	g := guesttest.New(t)
	before := status("* os "+oldTree+".0", "    origin refspec: "+origin)
	g.On("sh", "-c", guesttest.Containing("ostree admin status")).Prints(before).Then().Prints(status(after...))
	g.On("ostree", "remote", "delete", "--if-exists", "assay")
	g.On("ostree", "remote", "add", "--no-gpg-verify", "assay", "http://192.0.2.1/repo")
	return g
}

func TestUpgrade(t *testing.T) {
	g := guestWith(t, "origin:os/stable", "  os "+newTree+".0 (pending)", "* os "+oldTree+".0")
	g.On("ostree", "admin", "switch", "assay:os/next")
	if err := Upgrade(context.Background(), g, "http://192.0.2.1/repo", "os/next"); err != nil {
		t.Fatal(err)
	}
	g.AssertAllUsed()
}

func TestUpgradeTwice(t *testing.T) {
	g := guestWith(t, "assay:os/next", "  os "+newTree+".0 (staged)", "* os "+oldTree+".0")
	g.On("ostree", "admin", "upgrade")
	if err := Upgrade(context.Background(), g, "http://192.0.2.1/repo", "os/next"); err != nil {
		t.Fatal(err)
	}
	g.AssertAllUsed()
}

func TestUpgradeToTheSame(t *testing.T) {
	for name, after := range map[string][]string{
		"no deployment": {"* os " + oldTree + ".0"},
		"same commit":   {"  os " + oldTree + ".1 (pending)", "* os " + oldTree + ".0"},
	} {
		g := guestWith(t, "origin:os/stable", after...)
		g.On("ostree", "admin", "switch", "assay:os/next")
		if err := Upgrade(context.Background(), g, "http://192.0.2.1/repo", "os/next"); err == nil || !strings.Contains(err.Error(), "booted already") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUpgradeFails(t *testing.T) {
	g := guestWith(t, "origin:os/stable")
	g.On("ostree", "admin", "switch", "assay:os/next").Says("error: While pulling: no such ref\n").Exits(1)
	var ce *RefusedError
	if err := Upgrade(context.Background(), g, "http://192.0.2.1/repo", "os/next"); !errors.As(err, &ce) || !strings.Contains(err.Error(), "no such ref") {
		t.Errorf("got %v", err)
	}
	for _, ref := range []string{"", "--help", "a b", "x;y"} {
		if err := Upgrade(context.Background(), guesttest.New(t), "http://192.0.2.1/repo", ref); err == nil {
			t.Errorf("ref %q was taken", ref)
		}
	}
}

func TestNoOSTree(t *testing.T) {
	g := guesttest.New(t)
	g.On("sh", "-c", guesttest.Containing("ostree admin status")).Exits(100)
	if _, err := New(OSTree, g).Status(context.Background()); !errors.Is(err, ErrNoOSTree) {
		t.Errorf("got %v", err)
	}
}
