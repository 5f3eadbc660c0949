// Package suitetest runs a registered check on a scripted guest and compares
// what it says, as tables: a test states what the guest answers and how the
// check must judge it.
//
// It is for tests only.
package suitetest

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
)

// Case is one guest and the judgement it deserves.
type Case struct {
	Name string
	// Guest plans what the guest answers; it may change the environment.
	Guest func(g *guesttest.Fake, env *check.Env)
	// Want is the outcome; empty is Passed.
	Want reports.Outcome
	// Fault is whose it is; empty is the image's for Failed and not compared for others.
	Fault reports.Fault
	// Says are parts that the message must have, Shows parts of the details.
	Says  []string
	Shows []string
}

// Env is what the harness promises in tests.
func Env() check.Env {
	return check.Env{
		User: "assay", Hostname: "assay-guest", InstanceID: "iid-assay-1",
		ProofPath: "/var/lib/assay/proof", ProofText: "proof-text-1",
		RunCmdProof:     check.Proof{Path: "/var/lib/assay/proof-runcmd", Text: "proof-text-2"},
		WriteFilesProof: check.Proof{Path: "/var/lib/assay/proof-write-files", Text: "proof-text-3"},
		AuthorizedKey:   "ssh-ed25519 AAAAC3NzaUserKey assay", HostKey: "ssh-ed25519 AAAAC3NzaHostKey assay",
		ServedName: "gateway.assay.internal", ServedAddress: "192.168.127.1",
		Registry: check.Registry{Addr: "192.168.127.1:5000", Images: map[string]string{
			"busybox": "assay/busybox:1", "httpd": "assay/httpd:1"}},
		DiskSize: 12 << 30, ImageVirtualSize: 8 << 30,
		Accelerator: "kvm", MemoryMiB: 2048, CPUs: 2,
	}
}

// message is what a failure looks like: one sentence, nothing of Go in it.
var unfit = regexp.MustCompile(`%!|\n|<nil>|\bmap\[`)

// Run runs the check with that id once for every case.
func Run(t *testing.T, id reports.CaseID, cases []Case) {
	t.Helper()
	var found *check.Registered
	for _, r := range check.All() {
		if r.ID() == id {
			found = &r
			break
		}
	}
	if found == nil {
		t.Fatalf("no check is registered as %s", id)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			g := guesttest.New(t)
			env := Env()
			c.Guest(g, &env)
			j := judge(context.Background(), *found, &check.T{Guest: g, Env: env, Log: t.Logf})
			want := c.Want
			if want == "" {
				want = reports.Passed
			}
			if j.Outcome != want {
				t.Fatalf("%s (%s fault: %q; details %q), want %s", j.Outcome, j.Fault, j.Message, j.Details, want)
			}
			fault := c.Fault
			if fault == "" && want == reports.Failed {
				fault = reports.FaultImage
			}
			if fault != "" && j.Fault != fault {
				t.Errorf("the fault is %q, want %q (%s)", j.Fault, fault, j.Message)
			}
			if unfit.MatchString(j.Message) {
				t.Errorf("not a sentence for a person: %q", j.Message)
			}
			for _, s := range c.Says {
				if !strings.Contains(j.Message, s) {
					t.Errorf("the message lacks %q: %q", s, j.Message)
				}
			}
			for _, s := range c.Shows {
				if !strings.Contains(j.Details, s) {
					t.Errorf("the details lack %q: %q", s, j.Details)
				}
			}
		})
	}
}

// judge runs a check as check.Runner does: one that wants a rebooted guest is
// prepared, and the guest rebooted, before.
func judge(ctx context.Context, r check.Registered, t *check.T) check.Judgement {
	if r.State == check.Rebooted {
		if answer := r.DoPrepare(ctx, t); answer != nil {
			return *answer
		}
		t.RebootErr = t.Reboot(ctx)
	}
	return r.Do(ctx, t)
}
