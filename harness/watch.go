package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"assay/harness/console"
	"assay/harness/machine"
	"assay/harness/network"
	"assay/suites/check"
)

// answers reports whether the guest's SSH server says who it is. A guest that
// does is not stuck, whatever it is doing.
func answers(ctx context.Context, net *network.Network) bool {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	c, err := net.DialContext(ctx, sshPort)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(answerLimit))
	word := make([]byte, len("SSH-"))
	_, err = io.ReadFull(c, word)
	return err == nil && string(word) == "SSH-"
}

const (
	sshPort = 22
	// answerLimit suits an emulated guest that has nothing else to do.
	answerLimit = 20 * time.Second
)

// pausedEnd is the end of a guest that QEMU paused: nothing wakes it again, and
// the host is to blame.
func pausedEnd(err error) *machine.End {
	return &machine.End{Kind: machine.EndFailed, Detail: err.Error()}
}

// firmwareSilent is how long a machine that the kernel has reset may say nothing
// and not answer before it counts as hung in its firmware: at least that, and
// firmwareScaled on a KVM host, longer than a boot that nobody hears of. The same
// firmware has booted the same image before: QEMU's emulation may lose its way in
// a reset, and keeps a processor busy for ever then.
const (
	firmwareSilent = 3 * time.Minute
	firmwareScaled = time.Minute
)

// resetLast reports whether a kernel's last word, to reset the machine, is the last
// of what the console shows.
func resetLast(found []console.Finding) bool {
	return len(found) > 0 && found[len(found)-1].Kind == console.Shutdown && strings.Contains(found[len(found)-1].Line, "reboot: ")
}

// watchedMachine is what watch asks of a guest's machine.
type watchedMachine interface {
	Gone() <-chan struct{}
	End() machine.End
	CPUTime(context.Context) (time.Duration, error)
	HeldBack() machine.HeldBack
	// Answers reports whether its SSH server says who it is.
	Answers(context.Context) bool
}

// answering is a machine whose guest can be asked.
type answering struct{ *machine.Machine }

func (m answering) Answers(ctx context.Context) bool { return answers(ctx, m.Network()) }

// watch looks at a guest while a child works in it, until ctx ends. It returns
// how the guest died, nil when it did not: what the console or the machine
// shows, a pause that QEMU made for an error of the host's disk, a reboot after
// which the guest is idle and silent and nothing answers, or one that never left
// the firmware. Only a machine's own CPU time tells the former from a slow host.
func (s *session) watch(ctx context.Context, m watchedMachine, c *console.Watcher, mark int64, reboots <-chan check.RebootPhase) *guestDied {
	findings, unsubscribe := c.Subscribe()
	defer unsubscribe()
	var (
		idle  *idleWatch // set while the guest reboots
		began time.Time
		from  int64 // where its console was when the reboot began
	)
	tick := time.NewTicker(idleTick)
	defer tick.Stop()
	for {
		select {
		case f, ok := <-findings:
			if !ok {
				return nil
			}
			if f.Fatal && f.Offset >= mark {
				return &guestDied{finding: &f}
			}
			if idle != nil && f.Offset >= from && (f.Kind == console.LoginPrompt || f.Kind == console.CloudInitFinished) {
				idle.up = true
			}
		case <-m.Gone():
			end := m.End()
			return &guestDied{end: &end}
		case phase := <-reboots:
			idle = nil
			if phase == check.RebootBegins {
				began, from = time.Now(), c.Mark()
				idle = newIdleWatch(began)
			}
		case now := <-tick.C:
			cpu, err := m.CPUTime(ctx)
			if errors.Is(err, machine.ErrPaused) {
				return &guestDied{end: pausedEnd(err)}
			}
			if err != nil || idle == nil {
				continue // its end shows elsewhere
			}
			idle.look(now, cpu, m.HeldBack(), c.Said())
			found := c.FindingsSince(from)
			if silent := now.Sub(idle.silent); silent >= max(firmwareSilent, time.Duration(float64(firmwareScaled)*s.scale)) && resetLast(found) && !idle.stuck(now) && !m.Answers(ctx) {
				return &guestDied{end: &machine.End{Kind: machine.EndFailed,
					Detail: fmt.Sprintf("(its kernel reset it, and for %s it was busy, said nothing and did not answer: its firmware hangs)", silent.Round(time.Second))}}
			}
			if idle.stuck(now) && !m.Answers(ctx) {
				d := diagnose(ending{findings: found, bytes: c.Bytes(), idle: true, waited: now.Sub(began),
					inInitramfs: inInitramfs(c.Since(from))}, s.accel)
				return &guestDied{stuck: d.Message}
			}
		case <-ctx.Done():
			return nil
		}
	}
}
