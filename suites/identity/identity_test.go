package identity

import (
	"testing"

	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

// is plans a guest with this account of itself, whose first boot was a, with
// host key K, disk p and seed s.
func is(out string) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, e *check.Env) {
		g.On("sh", guesttest.Rest).Prints(out)
		e.First = &check.Identity{MachineID: "a", HostKeys: []string{"ssh-rsa K"}, PTUUID: "p", RandomSeed: "s"}
	}
}

func unknownFirst(*guesttest.Fake, *check.Env) {}

func TestUniqueMachineID(t *testing.T) {
	suitetest.Run(t, "identity/unique-machine-id", []suitetest.Case{
		{Name: "differs", Guest: is("m b\n")},
		{Name: "baked in", Want: reports.Failed, Says: []string{"machine id a", "baked in"}, Guest: is("m a\n")},
		{Name: "none", Want: reports.Failed, Says: []string{"empty or missing"}, Guest: is("")},
		{Name: "nothing to compare with", Want: reports.Errored, Fault: reports.FaultInfra, Guest: unknownFirst},
	})
}

func TestUniqueHostKeys(t *testing.T) {
	suitetest.Run(t, "identity/unique-host-keys", []suitetest.Case{
		{Name: "differ", Guest: is("k ssh-rsa L x\n")},
		{Name: "none but the seed's", Guest: is("k ssh-ed25519 AAAAC3NzaHostKey x\n")},
		{Name: "baked in", Want: reports.Failed, Says: []string{"ssh-rsa host key", "baked in"}, Guest: is("k ssh-rsa K root@build\n")},
	})
}

func TestUniqueRandomSeed(t *testing.T) {
	suitetest.Run(t, "identity/unique-random-seed", []suitetest.Case{
		{Name: "differs", Guest: is("s t\n")},
		{Name: "baked in", Want: reports.Failed, Says: []string{"random-seed"}, Guest: is("s s\n")},
		{Name: "none kept", Want: reports.Skipped, Guest: func(g *guesttest.Fake, e *check.Env) {
			is("")(g, e)
			e.First.RandomSeed = ""
		}},
	})
}

func TestUniqueDiskID(t *testing.T) {
	suitetest.Run(t, "identity/unique-disk-id", []suitetest.Case{
		{Name: "differs", Guest: is("p q\n")},
		{Name: "the same", Want: reports.Failed, Says: []string{"id p"}, Guest: is("p p\n")},
		{Name: "unknown", Want: reports.Skipped, Guest: is("")},
	})
}
