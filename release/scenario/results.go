package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/release"
	"assay/reports"
)

// checks are what every artifact is tried for.
var checks = []reports.CaseID{"base/running", "base/selinux", "boot/time", "cloudinit/ssh-key", "containers/run", "network/dns", "storage/overlay", "upgrade/plain", "upgrade/rollback"}

// run is what `assay run` would have found of an artifact.
func run(n Night, q release.TestRequested, name, commit string, at time.Time) *reports.Run {
	r := &reports.Run{Version: reports.FormatVersion, ID: fmt.Sprintf("run-%s-%s-%d", q.Build, q.Artifact.Arch(), q.Attempt), Tool: reports.Tool{Name: "assay", Version: "1"},
		Host:    reports.Host{Arch: q.Artifact.Arch(), CPUs: 4, MemoryMiB: 8192, Accelerator: "kvm", Scale: 1},
		Image:   reports.Image{Name: name, Digest: q.Digest, Format: "qcow2", Arch: q.Artifact.Arch(), OSTreeCommit: commit},
		Started: at.Add(-20 * time.Minute).UTC(), Finished: at.UTC()}
	if n.Mirrored {
		r.Image.Digest = digestOf([]byte("what the mirror had"))
	}
	for _, id := range checks {
		name, _, _ := strings.Cut(string(id), "/")
		if len(r.Suites) == 0 || r.Suites[len(r.Suites)-1].Name != name {
			r.Suites = append(r.Suites, reports.Suite{Name: name, Criterion: "S" + fmt.Sprint(len(r.Suites)), Title: name, Started: r.Started})
		}
		c := reports.Case{ID: id, Title: string(id), Outcome: reports.Passed, Blocking: id != "boot/time", Started: r.Started}
		if i := slices.IndexFunc(n.Fails, func(f Fail) bool {
			return f.Check == id && (f.On == "" || f.On == q.Artifact) && (!f.Infra || q.Attempt == 1)
		}); i >= 0 {
			c.Outcome, c.Fault, c.Message, c.Replay = reports.Failed, reports.FaultImage, n.Fails[i].Message, fmt.Sprintf("assay run %s --check %s", r.Image.Name, id)
			c.Evidence = []reports.Evidence{{Kind: "journal", Title: "journal", Path: "evidence/" + name + ".log", Excerpt: "host: " + n.Fails[i].Message}}
			if n.Fails[i].Infra {
				c.Outcome, c.Fault = reports.Errored, reports.FaultInfra
			}
		}
		s := &r.Suites[len(r.Suites)-1]
		s.Cases = append(s.Cases, c)
	}
	r.Verdict, r.Reason = reports.Judge(r.Suites)
	return r
}
