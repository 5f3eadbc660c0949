package base

import (
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/suitetest"
)

// boots plans a second first boot that says this of itself, after the first.
func boots(second string, first *guest.Identity) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, e *check.Env) {
		g.On("sh", "-c", guesttest.Containing("random/boot_id")).Prints(second)
		e.First = first
	}
}

func TestUniqueIdentity(t *testing.T) {
	first := &guest.Identity{MachineID: "aaaa", BootID: "b1", HostKeys: []string{"ssh-rsa AAAA1"}, PTUUID: "p1", RandomSeed: "s1"}
	const another = "m bbbb\nb b2\nk ssh-rsa AAAA2 root@x\nk ssh-ed25519 AAAAC3NzaHostKey seed\np p2\ns s2\n"
	fails := func(second string, says ...string) suitetest.Case {
		return suitetest.Case{Name: "baked in", Want: reports.Failed, Says: says, Guest: boots("b b2\n"+second, first)}
	}
	none := suitetest.Case{Name: "none", Want: reports.Skipped, Guest: boots("b b2\nm x\n", first)}
	for id, cases := range map[reports.CaseID][]suitetest.Case{
		"base/unique-machine-id": {fails("m aaaa\n", "machine id aaaa", "baked in"),
			{Name: "none", Want: reports.Failed, Says: []string{"empty or missing"}, Guest: boots("b b2\n", first)}},
		"base/unique-host-keys":   {fails("k ssh-rsa AAAA1 y\n", "same ssh-rsa host key"), {Name: "none", Guest: boots("b b2\n", first)}},
		"base/unique-random-seed": {fails("s s1\n", "random-seed"), none},
		"base/unique-disk-id":     {fails("p p1\n", "id p1"), none},
	} {
		suitetest.Run(t, id, append(cases,
			suitetest.Case{Name: "its own", Guest: boots(another, first)},
			suitetest.Case{Name: "one boot", Want: reports.Errored, Fault: reports.FaultInfra, Guest: boots("m x\nb b1\n", first)},
			suitetest.Case{Name: "nothing to compare with", Want: reports.Errored, Fault: reports.FaultInfra, Guest: boots(another, nil)}))
	}
}
