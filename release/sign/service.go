package sign

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"assay/release"
	"assay/release/sign/program"
	"assay/release/sign/source"
	"assay/reports"
)

// commandKey asks a signing service by a command.
type commandKey struct{ args []string }

func (k *commandKey) sign(ctx context.Context, f form, p payload) ([]byte, error) {
	fill := strings.NewReplacer("{form}", string(f), "{name}", p.name)
	args := append([]string{k.args[0]}, k.args[1:]...)
	for i := range args[1:] {
		args[i+1] = fill.Replace(args[i+1])
	}
	b, err := program.Run(ctx, program.Command{Args: args, Stdin: p.read, Limit: maxSignature})
	if err == nil && len(b) == 0 {
		err = fmt.Errorf("%s: it ended well and wrote no signature", args[0])
	}
	return b, err
}

// busKey asks a signing service over the bus, as Fedora CoreOS asks its own.
type busKey struct {
	topic string
	bus   Bus
}

// signRequest is the message; the keys are those of coreos-assembler.
type signRequest struct {
	BuildID   string         `json:"build_id"`
	BaseArch  string         `json:"basearch"`
	Stream    string         `json:"stream"`
	RequestID string         `json:"request_id"`
	Artifacts []signArtifact `json:"artifacts"`
}

type signArtifact struct {
	File     string `json:"file"`
	Checksum string `json:"checksum"`
}

type signReply struct {
	RequestID string `json:"request_id"`
	Status    string `json:"status"`
	Message   string `json:"failure-message"`
}

func (k *busKey) sign(ctx context.Context, f form, p payload) ([]byte, error) {
	if f != binary || p.location == "" {
		return nil, fmt.Errorf("a signing service on the bus signs images only, with binary signatures")
	}
	q := signRequest{BuildID: p.build, BaseArch: string(p.arch), Stream: p.stream, RequestID: rand.Text(),
		Artifacts: []signArtifact{{File: p.location, Checksum: string(p.digest)}}}
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	answer, err := k.bus.Call(ctx, k.topic, body)
	if err != nil {
		return nil, fmt.Errorf("cannot ask %s: %w", k.topic, err)
	}
	var r signReply
	if err := json.Unmarshal(answer, &r); err != nil {
		return nil, fmt.Errorf("cannot read the answer of %s: %w", k.topic, err)
	}
	switch {
	case r.RequestID != q.RequestID:
		return nil, fmt.Errorf("%s answered another request (%.60q)", k.topic, r.RequestID)
	case r.Status != "SUCCESS":
		return nil, fmt.Errorf("%s refused to sign %s: %s: %w", k.topic, p.name, reports.Line(r.Status+" "+r.Message, 300), release.ErrPermanent)
	}
	return waitFor(ctx, p.location+".sig")
}

// waitFor reads what was promised to be at a location; stores that copy take a
// moment to show it.
func waitFor(ctx context.Context, location string) ([]byte, error) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for tries := 0; ; tries++ {
		b, err := source.Read(ctx, location, maxSignature)
		if !errors.Is(err, fs.ErrNotExist) || tries == 60 {
			return b, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cannot find the signature %s: %w", location, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
