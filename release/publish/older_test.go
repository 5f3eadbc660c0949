package publish

import "testing"

// TestOlderBuildIsTakenByHosts: a person releases an older build without any
// revocation, and hosts that have the newer one follow.
func TestOlderBuildIsTakenByHosts(t *testing.T) {
	t.Parallel()
	b := newBench(t, inDirectory(t))
	b.publish(t, b.effects(t, "20261205_01", 10))
	newer := b.made["20261205_01"].Commits[0].Checksum
	older := b.effects(t, "20261121_01", 20)
	b.publish(t, older)
	b.publish(t, older)
	got, tested := b.follow(t, newer), b.made["20261121_01"].Commits[0].Checksum
	if c := b.look(t).Commits[0]; got == newer || got == tested || c.Commit != got || c.Tested != tested {
		t.Errorf("hosts get %s, the pointer says %+v", got, c)
	}
}
