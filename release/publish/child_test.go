package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"assay/release"
	"assay/release/sign"
)

// childJob is what a child process of a test does until it is killed.
type childJob struct {
	Target    Config
	Spool     string
	Signer    sign.Config
	SignSpool string
	// Sign comes first, Effects after it.
	Sign, Effects []release.Effect
	// KillAt is the line at which it kills itself, from 1; 0 is never.
	KillAt int
	// Socket is where the S3 server listens.
	Socket string
}

const childVariable = "ASSAY_PUBLISH_CHILD"

func TestMain(m *testing.M) {
	if file := os.Getenv(childVariable); file != "" {
		if err := runChild(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runChild(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var c childJob
	if err := json.Unmarshal(b, &c); err != nil {
		return err
	}
	s, err := sign.New("key", c.Signer, sign.Options{Spool: c.SignSpool})
	if err != nil {
		return err
	}
	for _, e := range c.Sign {
		if _, err := s.Do(context.Background(), e); err != nil {
			return err
		}
	}
	p, err := New("target", c.Target, Options{Spool: c.Spool, Signers: []Signer{s}, Documents: pages, Transport: overSocket(c.Socket)})
	if err != nil {
		return err
	}
	lines := 0
	p.at = func(string) {
		if lines++; lines == c.KillAt {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	p.store = &everyCall{p.store, p.at}
	for _, e := range c.Effects {
		if _, err := p.Do(context.Background(), e); err != nil {
			return err
		}
	}
	fmt.Println(lines)
	return nil
}

// pages is a page of which each release has another, and news besides.
func pages(_ context.Context, e release.Effect, p Pointer) (Documents, error) {
	build := "nothing"
	if p.Build != "" {
		build = string(p.Build)
	}
	out := Documents{"index.html": []byte("<p>" + build), "more/stream.json": []byte(`"` + build + `"`), "news.html": []byte(e.Publish.Pages)}
	if e.Publish.Pages == "" {
		out["first.html"] = nil
	}
	return out, nil
}

// overSocket dials a unix socket instead of whatever is asked for.
func overSocket(socket string) http.RoundTripper {
	if socket == "" {
		return nil
	}
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}
}

// everyCall lets a kill come before and after each call of a store.
type everyCall struct {
	store
	at func(string)
}

func (s *everyCall) put(ctx context.Context, staged bool, items []item) error {
	defer s.at("after put")
	s.at("before put")
	return s.store.put(ctx, staged, items)
}

func (s *everyCall) move(ctx context.Context, dir string, items []item) error {
	defer s.at("after move")
	s.at("before move")
	return s.store.move(ctx, dir, items)
}

func (s *everyCall) swap(ctx context.Context, x set) error {
	defer s.at("after swap")
	s.at("before swap")
	return s.store.swap(ctx, x)
}

// start starts a child process with a job.
func start(t testing.TB, c childJob) *exec.Cmd {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(t.TempDir(), "job")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+f.Name())
	return cmd
}

// wasKilled runs a child and says whether it was killed; any other failure is
// the test's.
func wasKilled(t testing.TB, c childJob) bool {
	t.Helper()
	out, err := start(t, c).CombinedOutput()
	if err == nil {
		return false
	}
	if x, ok := err.(*exec.ExitError); ok && x.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	t.Fatalf("the child failed: %v\n%s", err, out)
	return false
}
