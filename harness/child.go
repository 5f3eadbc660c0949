package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/onsi/ginkgo/v2"
	"golang.org/x/crypto/ssh"

	"assay/harness/guest"
	"assay/harness/usercheck"
	"assay/reports"
	"assay/suites/check"
)

// childSpec is what a suite child reads from its standard input: one line of
// JSON. After it the pipe stays open; when it closes, the parent is gone and
// the child ends. The private key travels here so that it stands in no
// argument, environment or file.
type childSpec struct {
	Checks []reports.CaseID `json:"checks"`
	// Own are the user's own among them, bundled.
	Own   []usercheck.Check `json:"own,omitempty"`
	Env   check.Env         `json:"env"`
	Guest guestAccess       `json:"guest"`
	// GinkgoReport is where Ginkgo's own JSON report goes.
	GinkgoReport string `json:"ginkgo_report"`
	// Commands is the file that records every command, one JSON object a line.
	Commands string `json:"commands"`
	// Evidence is the folder for what is taken from the guest after a failure.
	Evidence string `json:"evidence"`
	// Forked is true for a guest that was restored after its boot.
	Forked bool `json:"forked"`
}

// guestAccess is how a process of the run reaches a guest.
type guestAccess struct {
	Name       string  `json:"name"`
	Socket     string  `json:"socket"`
	User       string  `json:"user"`
	PrivateKey string  `json:"private_key"` // OpenSSH PEM
	HostKey    string  `json:"host_key"`    // authorized_keys form
	Scale      float64 `json:"scale"`
	// BootID is the boot of a guest that was restored after it.
	BootID string `json:"boot_id,omitempty"`
}

// config turns the access into what the SSH client needs.
func (a guestAccess) config(record func(guest.Record)) (guest.SSHConfig, error) {
	signer, err := ssh.ParsePrivateKey([]byte(a.PrivateKey))
	if err != nil {
		return guest.SSHConfig{}, fmt.Errorf("cannot read the guest's user key: %w", err)
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey([]byte(a.HostKey))
	if err != nil {
		return guest.SSHConfig{}, fmt.Errorf("cannot read the guest's host key: %w", err)
	}
	return guest.SSHConfig{
		Name: a.Name, User: a.User, Signer: signer, HostKey: host, Scale: a.Scale, Record: record,
		Dial:     func(ctx context.Context, port int) (net.Conn, error) { return DialRelay(ctx, a.Socket, port) },
		PowerCut: func(ctx context.Context) error { return ResetRelay(ctx, a.Socket) },
	}, nil
}

// childSpecLimit bounds the line a child reads; the longest part is the list of checks.
const childSpecLimit = 4 << 20

// Child is the body of a suite child process: it runs the checks named on in
// as Ginkgo specs and writes one check.Event a line to out. It returns the
// process's exit status: 0 when every check was answered (whatever the
// answers), 1 when the child itself could not work.
func Child(ctx context.Context, in io.Reader, out, log io.Writer) int {
	if err := child(ctx, in, out, log); err != nil {
		fmt.Fprintf(log, "suite child: %v\n", err)
		return 1
	}
	return 0
}

func child(ctx context.Context, in io.Reader, out, log io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := bufio.NewReader(in)
	line, err := readBounded(r, childSpecLimit)
	if err != nil {
		return fmt.Errorf("cannot read the job: %w", err)
	}
	var spec childSpec
	if err := json.Unmarshal(line, &spec); err != nil {
		return fmt.Errorf("cannot read the job: %w", err)
	}
	go func() { // ends with the process: nothing else reads this pipe
		_, _ = io.Copy(io.Discard, r)
		// The parent is gone. Nobody is left to report to, and the keeper is
		// already taking the guest away.
		os.Exit(1)
	}()

	all := check.All()
	for _, c := range spec.Own {
		all = append(all, c.Registered(spec.Evidence))
	}
	checks, err := byID(all, spec.Checks)
	if err != nil {
		return err
	}
	commands, err := os.OpenFile(spec.Commands, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("cannot record commands: %w", err)
	}
	defer commands.Close()
	journal := &recorder{w: commands}

	cfg, err := spec.Guest.config(journal.record)
	if err != nil {
		return err
	}
	wait, stop := context.WithTimeout(ctx, time.Duration(connectLimit*spec.Guest.Scale))
	var g *guest.SSH
	if spec.Forked {
		g, err = guest.Resume(wait, cfg, spec.Guest.BootID)
	} else {
		g, _, err = guest.Await(wait, cfg, nil)
	}
	stop()
	if err != nil {
		return fmt.Errorf("cannot enter guest %s: %w", spec.Guest.Name, err)
	}
	defer g.Close()

	var mu sync.Mutex
	enc := json.NewEncoder(out)
	var lost error
	failed := false
	tell := func(e check.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Done && (e.Outcome == reports.Failed || e.Outcome == reports.Errored) {
			failed = true
			e.Commands = journal.since(e.Started)
		}
		if err := enc.Encode(e); err != nil && lost == nil {
			lost = err
		}
	}
	runner := &check.Runner{Guest: g, Env: spec.Env, Tell: tell}
	runner.Declare(ctx, checks)

	ginkgo.GinkgoWriter.TeeTo(log)
	suite, reporter := ginkgo.GinkgoConfiguration()
	suite.Timeout = 24 * time.Hour // the parent keeps the time
	reporter.JSONReport = spec.GinkgoReport
	reporter.NoColor = true
	ginkgo.RunSpecs(ignoreFail{}, "assay", suite, reporter)
	if failed {
		if err := collect(ctx, g, spec.Evidence); err != nil {
			fmt.Fprintln(log, err) // the failure itself is told already
		}
	}
	return lost
}

// connectLimit is how long a child may take to enter a guest that is known to
// be up, on a KVM host.
const connectLimit = float64(20 * time.Second)

// ignoreFail is Ginkgo's handle on `go test`: the events say what failed.
type ignoreFail struct{}

func (ignoreFail) Fail() {}

func byID(all []check.Registered, ids []reports.CaseID) ([]check.Registered, error) {
	index := map[reports.CaseID]check.Registered{}
	for _, r := range all {
		index[r.ID()] = r
	}
	var out []check.Registered
	for _, id := range ids {
		r, ok := index[id]
		if !ok {
			return nil, fmt.Errorf("cannot run check %s: this program does not have it", id)
		}
		out = append(out, r)
	}
	return out, nil
}

// readBounded reads a line of at most limit bytes.
func readBounded(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > limit:
			return nil, fmt.Errorf("a line is longer than %d bytes", limit)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return nil, err
		}
		return line, nil
	}
}
