package guest_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
)

// stages collects observations.
type stages struct {
	mu  sync.Mutex
	all []guest.Observation
}

func (s *stages) observe(o guest.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, o)
}

func (s *stages) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, o := range s.all {
		names = append(names, string(o.Stage))
	}
	return strings.Join(names, ",")
}

func (s *stages) reached(want guest.Stage) bool {
	return strings.HasSuffix(s.String(), string(want))
}

// TestAwaitFollowsABoot takes a guest through every stage, each only after the
// one before was observed.
func TestAwaitFollowsABoot(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	srv.Set(func(sw *guesttest.Switches) {
		*sw = guesttest.Switches{Down: true, OtherHostKey: true, RefuseKey: true, NoLogin: true, State: "starting"}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var seen stages
	var g *guest.SSH
	var ready guest.Readiness
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		g, ready, err = guest.Await(ctx, srv.Config(), seen.observe)
	}()
	for _, step := range []struct {
		at   guest.Stage
		lift func(*guesttest.Switches)
	}{
		{guest.StageNoAnswer, func(sw *guesttest.Switches) { sw.Down = false }},
		{guest.StageHostKey, func(sw *guesttest.Switches) { sw.OtherHostKey = false }},
		{guest.StageLogin, func(sw *guesttest.Switches) { sw.RefuseKey = false }},
		{guest.StageNoLogin, func(sw *guesttest.Switches) { sw.NoLogin = false }},
		{guest.StageBoot, func(sw *guesttest.Switches) { sw.State = "degraded" }},
	} {
		waitFor(t, "stage "+string(step.at), func() bool { return seen.reached(step.at) })
		select {
		case <-done:
			t.Fatalf("Await ended in stage %s: %v", step.at, err)
		default:
		}
		srv.Set(step.lift)
	}
	<-done
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if got, want := seen.String(), "no answer,banner,host key,login,nologin,boot,ready"; got != want {
		t.Errorf("stages %s; want %s", got, want)
	}
	if ready.State != "degraded" || ready.LoginTries < 2 || !strings.HasPrefix(ready.BannerText, "SSH-2.0-") {
		t.Errorf("readiness %+v", ready)
	}
	if !(ready.Banner.Before(ready.Login) && ready.Login.Before(ready.NoLoginGone) && ready.NoLoginGone.Before(ready.BootDone)) {
		t.Errorf("times are out of order: %+v", ready)
	}
	if g.BootID() != srv.BootID() {
		t.Errorf("boot id %s; want %s", g.BootID(), srv.BootID())
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAwaitSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		set   guesttest.Switches
		stage guest.Stage
		says  string
	}{
		{"down", guesttest.Switches{Down: true}, guest.StageNoAnswer, "connection refused"},
		{"silent", guesttest.Switches{Silent: true}, guest.StageNoAnswer, "no SSH server answered"},
		{"other host key", guesttest.Switches{OtherHostKey: true}, guest.StageHostKey, "the guest shows host key SHA256:"},
		{"other kind of host key", guesttest.Switches{RSAHostKey: rsaKey(t)}, guest.StageHostKey, "it has rsa-sha2"},
		{"login refused", guesttest.Switches{RefuseKey: true}, guest.StageLogin, "refused user core"},
		{"pam_nologin", guesttest.Switches{RefuseKey: true, RefuseSays: "System is booting up. Unprivileged users are not permitted to log in yet."},
			guest.StageNoLogin, "System is booting up"},
		{"nologin", guesttest.Switches{NoLogin: true}, guest.StageNoLogin, "/run/nologin stayed"},
		{"still booting", guesttest.Switches{State: "starting"}, guest.StageBoot, "still starting: slow.service"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := guesttest.NewServer(t)
			srv.Set(func(sw *guesttest.Switches) { *sw = c.set })
			srv.On(func(e *guesttest.Exec) bool {
				if !strings.Contains(e.Line, "list-jobs") {
					return false
				}
				fmt.Fprint(e.Stdout, "  12 multi-user.target start waiting\n 34 slow.service      start running\n")
				return true
			})
			cause := errors.New("the harness's patience")
			ctx, cancel := context.WithTimeoutCause(context.Background(), 700*time.Millisecond, cause)
			defer cancel()
			start := time.Now()
			_, ready, err := guest.Await(ctx, srv.Config(), nil)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s to give up", took)
			}
			var nr *guest.NotReadyError
			if !errors.As(err, &nr) || nr.Stage != c.stage || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v; want stage %q and %q", err, c.stage, c.says)
			}
			if !errors.Is(err, cause) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v does not tell why the wait ended", err)
			}
			var hk *guest.HostKeyError
			if errors.As(err, &hk) != (c.stage == guest.StageHostKey) {
				t.Errorf("host key error is %v", hk)
			}
			if ready.Banner.IsZero() != (c.stage == guest.StageNoAnswer) || !ready.BootDone.IsZero() {
				t.Errorf("readiness %+v", ready)
			}
		})
	}
}

func rsaKey(t *testing.T) ssh.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAwaitIsQuick(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	srv.Set(func(sw *guesttest.Switches) { sw.Down = true })
	up := make(chan time.Time, 1)
	time.AfterFunc(600*time.Millisecond, func() {
		srv.Set(func(sw *guesttest.Switches) { sw.Down = false })
		up <- time.Now()
	})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	g, ready, err := guest.Await(ctx, srv.Config(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if lag := ready.Banner.Sub(<-up); lag > 800*time.Millisecond {
		t.Errorf("the banner was seen %s after the server came up", lag)
	}
}

func TestAwaitWantsToKnowWhom(t *testing.T) {
	t.Parallel()
	srv := guesttest.NewServer(t)
	for name, change := range map[string]func(*guest.SSHConfig){
		"dialer":   func(c *guest.SSHConfig) { c.Dial = nil },
		"key":      func(c *guest.SSHConfig) { c.Signer = nil },
		"user":     func(c *guest.SSHConfig) { c.User = "" },
		"host key": func(c *guest.SSHConfig) { c.HostKey = nil },
	} {
		cfg := srv.Config()
		change(&cfg)
		if g, _, err := guest.Await(context.Background(), cfg, nil); err == nil {
			g.Close()
			t.Errorf("a guest without a %s was awaited", name)
		}
	}
}
