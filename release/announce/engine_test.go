package announce_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"assay/release"
	"assay/release/announce"
	"assay/release/engine"
	"assay/release/releasetest"
)

// TestEngineAnnouncesOnceTheServerIsBack drives a mailer through the engine: a
// day without a mail server loses and repeats nothing.
func TestEngineAnnouncesOnceTheServerIsBack(t *testing.T) {
	h := releasetest.NewHistory(t, "fedora-43")
	o := announce.Options{Policy: h.Policy, Log: h.Log, Page: "https://download.example.org/streams/fedora-43", Files: "https://download.example.org"}
	p := &post{}
	m := mailer(t, p.serve(t, "none"), o)
	down := true
	others := &releasetest.Adapter{}
	e, err := engine.New(context.Background(), engine.Config{Log: h.Log, Policies: []*release.Policy{h.Policy}, Now: func() time.Time { return h.Now }, Alone: true,
		Adapters: map[engine.Target]release.Performer{
			{Kind: release.EffectSign, Name: "key"}:     others,
			{Kind: release.EffectPublish, Name: "site"}: others,
			{Kind: release.EffectBug, Name: "tracker"}:  others,
			{Kind: release.EffectAnnounce, Name: "mail"}: performer(func(ctx context.Context, e release.Effect) (release.Receipt, error) {
				if down {
					return release.Receipt{}, errors.New("connection refused")
				}
				return m.Do(ctx, e)
			}),
		}})
	if err != nil {
		t.Fatal(err)
	}
	step := func() {
		t.Helper()
		if _, err := e.Step(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	h.At("2026-11-03T12:00:00Z").Build("20261103_01")
	step()
	if err := h.State.CatchUp(context.Background(), h.Log); err != nil {
		t.Fatal(err)
	}
	for _, w := range h.Policy.Artifacts {
		h.Answer("20261103_01", w.ID)
	}
	for range 24 {
		step()
		h.Add(time.Hour)
	}
	if len(p.got()) != 0 {
		t.Fatal("a mail went out while the server was down")
	}
	down = false
	for range 5 {
		step()
		h.Add(time.Hour)
	}
	if len(p.got()) != 1 {
		t.Fatalf("%d mails", len(p.got()))
	}
}

type performer func(context.Context, release.Effect) (release.Receipt, error)

func (p performer) Do(ctx context.Context, e release.Effect) (release.Receipt, error) {
	return p(ctx, e)
}
