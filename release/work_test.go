package release_test

import (
	"fmt"
	"testing"
	"time"

	"assay/release"
	"assay/release/releasetest"
)

func tasks(h *releasetest.History) (out []string) {
	for _, t := range release.Tasks(h.Policy, h.State, h.Now) {
		out = append(out, fmt.Sprintf("%s %s %d", t.Request.Build, t.Request.Artifact, t.Request.Attempt))
	}
	return out
}

func TestTasks(t *testing.T) {
	h := releasetest.NewHistory(t, stream)
	h.Policy.Tests.LeaveOut = []string{"!slow"}
	want := func(what string, list ...string) {
		t.Helper()
		if got := tasks(h); fmt.Sprint(got) != fmt.Sprint(list) {
			t.Errorf("%s: %q, want %q", what, got, list)
		}
	}
	h.Build("20261102_01")
	want("nothing was asked for")
	h.Next()
	h.Add(time.Minute).Build("20261102_02").Next()
	want("the newest first", "20261102_02 qcow2 x86_64 1", "20261102_02 vagrant-libvirt x86_64 1", "20261102_01 qcow2 x86_64 1", "20261102_01 vagrant-libvirt x86_64 1")
	task := release.Tasks(h.Policy, h.State, h.Now)[0]
	if task.Stream != stream || task.Request.Digest != task.Artifact.Digest || task.Artifact.Location == "" || task.Compose == "" || len(task.LeaveOut) != 1 || !task.Asked.Equal(h.Now) || !task.Request.Deadline.Equal(h.Now.Add(6*time.Hour)) {
		t.Errorf("%+v", task)
	}
	h.Answer("20261102_02", releasetest.QCOW2)
	h.MustSay(&release.BuildMarked{Build: "20261102_01", Mark: release.MarkBad, Word: releasetest.Word("x")})
	want("answered, and marked bad", "20261102_02 vagrant-libvirt x86_64 1")
	h.Add(7 * time.Hour)
	want("lost")
	h.Next()
	want("asked for again", "20261102_02 vagrant-libvirt x86_64 2")
	h.Answer("20261102_02", releasetest.Vagrant)
	want("all answered")
}
