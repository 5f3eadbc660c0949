package site_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"assay/artifact"
	"assay/release"
	"assay/release/packages"
	"assay/release/releasetest"
	"assay/release/site"
	"assay/reports"
)

// lab makes histories of several streams in one log.
type lab struct {
	*releasetest.History
	key   *openpgp.Entity
	files map[string][]byte // what is published, below releases/
}

const (
	qcow2X, vagrantX, rawX = release.ArtifactID("qcow2/x86_64"), release.ArtifactID("vagrant-libvirt/x86_64"), release.ArtifactID("raw.xz/x86_64")
	qcow2A, rawA           = release.ArtifactID("qcow2/aarch64"), release.ArtifactID("raw.xz/aarch64")
)

func newLab(t testing.TB) *lab {
	key, err := openpgp.NewEntity("Atomic Host releases", "", "releases@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return releasetest.Start.AddDate(-1, 0, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{History: releasetest.NewHistory(t, "none"), key: key, files: map[string][]byte{}}
	return l
}

func (l *lab) public(t testing.TB) []byte {
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	if err == nil {
		err = l.key.Serialize(w)
	}
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// policy makes a stream with two architectures.
func policy(stream release.Stream, title string) *release.Policy {
	p := releasetest.Policy(stream)
	p.Title, p.Refs = title, []release.Glob{release.Glob(stream + "/*")}
	p.About = "An immutable host for containers, released every two weeks. Tested by machines alone: nobody has tried it by hand, and you can help us fix it."
	p.Docs = []release.Link{{Title: "Getting started", URL: "https://docs.example.org/start"}, {Title: "Administration guide", URL: "https://docs.example.org/admin"}, {Title: "Ask for help", URL: "https://discuss.example.org"}}
	p.Artifacts = []release.Wanted{{ID: qcow2X}, {ID: rawX}, {ID: vagrantX}, {ID: qcow2A}, {ID: rawA}}
	return p
}

// build announces, tests and decides; cases are for the x86_64 qcow2 alone.
func (l *lab) build(id release.BuildID, cases ...release.Case) {
	p := l.Policy
	f := &release.BuildSeen{Build: id, Compose: fmt.Sprintf("%s-%s.n.0", strings.ToUpper(string(p.Stream)[:1])+string(p.Stream)[1:], id.Date()), Created: l.Now}
	for i, a := range []artifact.Arch{artifact.X8664, artifact.AArch64} {
		f.Commits = append(f.Commits, release.Commit{Arch: a, Ref: fmt.Sprintf("%s/%s/atomic-host", p.Stream, a), Version: string(id), Checksum: releasetest.Digest(id, release.ArtifactID(fmt.Sprint("commit", i))).Hex()})
	}
	for i, w := range p.Artifacts {
		ext := map[string]string{"vagrant-libvirt": "vagrant-libvirt.box"}[w.ID.Kind()]
		if ext == "" {
			ext = w.ID.Kind()
		}
		name := fmt.Sprintf("Atomic-Host-%s.%s.%s", id, w.ID.Arch(), ext)
		content := []byte("image " + name)
		l.files[string(p.Stream)+"/"+string(id)+"/"+name] = content
		f.Artifacts = append(f.Artifacts, release.Artifact{ID: w.ID, Name: name, Location: "/builds/" + name, Digest: digest(content), Size: []int64{622_000_000, 397_500_000, 611_300_000, 601_200_000, 380_000_000}[i%5]})
	}
	l.Record(release.Self, f).Next()
	b := l.State.Line(p.Stream).Build(id)
	for i, w := range p.Artifacts {
		a := releasetest.Answer(id, w.ID, 1, l.Now)
		a.Digest = b.Artifact(w.ID).Digest
		for _, c := range f.Commits {
			if c.Arch == w.ID.Arch() {
				a.OSTreeCommit = c.Checksum
			}
		}
		a.Results = "https://results.example.org/" + string(id) + "/" + string(w.ID)
		a.Passed = release.CheckList{"base/running", "base/selinux", "cloudinit/ssh-key", "cloudinit/growpart", "storage/overlay", "storage/data", "containers/run", "upgrade/plain", "upgrade/rollback"}
		a.PassedAdvisory = release.CheckList{"boot/time"}
		if i == 0 {
			for _, c := range cases {
				a.Passed = slicesWithout(a.Passed, c.Check)
				a.Cases = append(a.Cases, c)
				if c.Blocking && !c.Known.Covers() {
					a.Verdict, a.Reason = reports.Rejected, string(c.Check)+" failed"
				}
			}
		}
		l.Record(release.Self, a)
	}
	l.Add(2 * time.Hour).Next()
	l.effects()
}

func slicesWithout(l release.CheckList, id reports.CaseID) (out release.CheckList) {
	for _, c := range l {
		if c != id {
			out = append(out, c)
		}
	}
	return out
}

// effects has everything done that is owed, and signs for real.
func (l *lab) effects() {
	for range 100 {
		owed := release.Effects(l.Policy, l.State, l.Now)
		if len(owed) == 0 {
			return
		}
		for _, e := range owed {
			var r release.Receipt
			switch e.Kind {
			case release.EffectBug:
				r.Ref = fmt.Sprint(812 + len(l.State.Line(l.Policy.Stream).Bugs()))
				r.URL = "https://tracker.example.org/issue/" + r.Ref
			case release.EffectSign:
				r.Files = l.sign(e)
			}
			l.Record(release.Self, e.Done(r))
		}
	}
	panic("effects never end")
}

func (l *lab) sign(e release.Effect) (out []release.File) {
	put := func(name string, b []byte) {
		l.files[string(e.Stream)+"/"+string(e.Sign.Build)+"/"+name] = b
		out = append(out, release.File{Name: name, Digest: digest(b)})
	}
	sums := map[artifact.Arch]string{}
	for _, a := range e.Sign.Artifacts {
		sums[a.ID.Arch()] += fmt.Sprintf("# %s: %d bytes\nSHA256 (%s) = %s\n", a.Name, a.Size, a.Name, a.Digest.Hex())
		var sig bytes.Buffer
		if err := openpgp.ArmoredDetachSign(&sig, l.key, bytes.NewReader(l.files[string(e.Stream)+"/"+string(e.Sign.Build)+"/"+a.Name]), nil); err != nil {
			panic(err)
		}
		put(a.Name+".asc", sig.Bytes())
	}
	for arch, text := range sums {
		var b bytes.Buffer
		w, err := clearsign.Encode(&b, l.key.PrivateKey, nil)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil || w.Close() != nil {
			panic(err)
		}
		put(fmt.Sprintf("%s-%s-%s-CHECKSUM", e.Stream, e.Sign.Build, arch), b.Bytes())
	}
	return out
}

// example is three streams: a good one whose newest release was revoked, a
// stale one, and a downstream that follows the first.
func example(t testing.TB) (site.Input, *lab) {
	l := newLab(t)
	flaky := release.Case{Check: "boot/time", Outcome: reports.Failed, Fault: reports.FaultImage, Message: "boot took 94 s, the limit is 90 s"}
	known := release.Case{Check: "storage/overlay", Outcome: reports.Failed, Fault: reports.FaultImage, Blocking: true, Message: "overlay mount on xfs without d_type",
		Known: &reports.Known{Tracker: "https://tracker.example.org/issue/799", Reason: "d_type", Expires: "2027-03-01"}}

	good := policy("fedora-43", "Atomic Host, based on Fedora 43")
	good.Tests.Timeout = 400 * 24 * time.Hour
	old := policy("fedora-42", "Atomic Host, based on Fedora 42")
	old.OnNothing = release.Retry
	down := policy("centos-atomic", "CentOS Atomic Host")
	down.Calendar, down.Follow = nil, &release.Follow{Stream: "fedora-43", Every: 2}
	down.About = "Built by the SIG, every four weeks, from what passed upstream."

	day := func(p *release.Policy, when string) { l.Policy = p; l.At(when) }
	day(good, "2026-11-03T12:10:00Z")
	l.build("20261103_01")
	day(down, "2026-11-03T15:00:00Z")
	l.build("20261103_01")
	day(old, "2026-11-03T12:30:00Z")
	l.build("20261103_01", known)
	day(good, "2026-11-10T03:00:00Z")
	l.build("20261110_01", releasetest.Failed("upgrade/plain"))
	day(good, "2026-11-14T03:00:00Z")
	l.build("20261114_01", releasetest.Failed("containers/run"))
	l.At("2026-11-15T08:00:00Z").MustSay(&release.StreamBlocked{Word: release.Word{Reason: "the signing keys are being moved to the new host", Tracker: "https://tracker.example.org/issue/813"}})
	l.At("2026-11-16T16:20:00Z").MustSay(&release.StreamUnblocked{Word: release.Word{Reason: "they are there, and a test release verified"}})
	day(good, "2026-11-17T03:00:00Z")
	l.build("20261117_01", known, flaky, releasetest.Failed("storage/data"))
	l.MustSay(&release.CheckWaived{Waiver: "w-1", Build: "20261117_01", Check: "storage/data", Artifact: qcow2X, Word: release.Word{Reason: "the check asks for 20 GiB, the image has 10; the data is there", Tracker: "https://tracker.example.org/issue/815"}, Expires: l.Now.AddDate(0, 1, 0)})
	l.At("2026-11-17T12:05:00Z").Next()
	l.effects()
	day(down, "2026-11-18T03:00:00Z")
	l.build("20261118_01")
	day(old, "2026-11-12T03:00:00Z")
	l.build("20261112_01", releasetest.Failed("upgrade/plain"))
	day(old, "2026-11-20T03:00:00Z")
	l.build("20261120_01", releasetest.Failed("upgrade/plain"), releasetest.Errored("containers/run"))
	day(good, "2026-11-24T03:00:00Z")
	l.build("20261124_01")
	day(good, "2026-11-30T03:00:00Z")
	l.build("20261130_01")
	l.MustSay(&release.BuildMarked{Build: "20261130_01", Mark: release.MarkBad, Word: release.Word{Reason: "the installer's keyboard is always US", Tracker: "https://tracker.example.org/issue/818"}})
	l.At("2026-12-01T12:05:00Z").Next()
	l.effects()
	l.At("2026-12-02T09:30:00Z").MustSay(&release.ReleaseRevoked{Build: l.Out(), Word: release.Word{Reason: "docker loses its storage when the host reboots during a pull", Tracker: "https://tracker.example.org/issue/820"}})
	l.effects()

	keys := []site.Key{{Name: "key", OpenPGP: l.public(t)}}
	cloud := []site.CloudImage{}
	for i, region := range []string{"eu-central-1", "us-east-1", "us-west-2", "ap-southeast-2"} {
		for k, arch := range []artifact.Arch{artifact.X8664, artifact.AArch64} {
			cloud = append(cloud, site.CloudImage{Build: "20261117_01", Arch: arch, Provider: "aws", Region: region, Image: fmt.Sprintf("ami-0%d%d1c3b81a57f0a", i, k)})
		}
	}
	cloud = append(cloud, site.CloudImage{Build: "20261117_01", Arch: artifact.X8664, Provider: "gcp", Image: "atomic-host-20261117-01-x86-64", Project: "example-cloud"})
	changes := &site.Changes{Build: "20261117_01", From: "20261103_01", Diff: packages.Compare(
		[]string{"kernel-6.17.1-300.fc43.x86_64", "docker-28.0.1-1.fc43.x86_64", "rpm-ostree-2026.8-1.fc43.x86_64", "systemd-258-2.fc43.x86_64", "cockpit-350-1.fc43.x86_64"},
		[]string{"kernel-6.17.4-300.fc43.x86_64", "docker-28.0.4-1.fc43.x86_64", "rpm-ostree-2026.9-1.fc43.x86_64", "systemd-258-3.fc43.x86_64", "toolbox-0.1-1.fc43.x86_64"})}
	old.Disclaimer = "Fedora 42 reaches its end of life in May 2027. Move to Fedora 43 when you can."
	return site.Input{Title: "Atomic Host downloads", About: "Hosts for containers, as images that are released only after they were booted and tested.",
		URL: "https://download.example.org", State: l.State, Now: l.Now.Add(24 * time.Hour),
		Streams: []site.Stream{
			{Policy: good, Keys: keys, CloudImages: cloud, Changes: changes, Rollout: 48 * time.Hour},
			{Policy: old, Keys: keys}, {Policy: down, Keys: keys}}}, l
}

func (l *lab) secret(t testing.TB) []byte {
	var b bytes.Buffer
	if err := l.key.SerializePrivate(&b, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
