package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"assay/release"
	"assay/release/adapters"
	"assay/release/engine"
	"assay/release/greenwave"
	"assay/reports"
)

// handler answers over HTTP.
func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	mux.Handle("GET /metrics", s.metrics())
	mux.HandleFunc("GET /v1/proof", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, s.address.proof(r.URL.Query().Get("nonce")))
	})
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("GET /v1/status/{stream}", s.status)
	mux.HandleFunc("GET /v1/decision/{stream}", s.decision)
	mux.HandleFunc("GET /v1/builds/{stream}", s.builds)
	mux.HandleFunc("GET /v1/builds/{stream}/{build}", s.builds)
	mux.HandleFunc("POST /v1/builds/{stream}", s.postBuild(false))
	mux.HandleFunc("POST /v1/builds/{stream}/failed", s.postBuild(true))
	mux.HandleFunc("GET /v1/log/findings", s.withToken(func(w http.ResponseWriter, _ *http.Request, _ holder) {
		reply(w, http.StatusOK, orEmpty(s.log.Findings()))
	}))
	mux.HandleFunc("GET /v1/log/events", s.withToken(s.logEvents))
	mux.HandleFunc("GET /v1/log/wait", s.withToken(s.logWait))
	mux.HandleFunc("POST /v1/log/events", s.withToken(s.logAppend))
	mux.Handle("/greenwave/", http.StripPrefix("/greenwave", greenwave.Handler(s.greenwavePolicies, s.greenwaveEvidence)))
	s.waiverHandlers(mux)
	s.workHandlers(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

func orEmpty(f []release.Finding) []release.Finding {
	if f == nil {
		return []release.Finding{}
	}
	return f
}

func reply(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		status, raw = http.StatusInternalServerError, []byte(`{"message":"cannot encode the answer"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The client is gone when this fails; there is nobody to tell.
	_, _ = w.Write(append(raw, '\n'))
}

func replyError(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]string{"message": reports.Line(err.Error(), 2000)})
}

// read answers with what ask finds in the state.
func (s *service) read(w http.ResponseWriter, r *http.Request, ask func(st *release.State, now time.Time) (any, error)) {
	var out any
	do := func(st *release.State, now time.Time) (err error) {
		if out, err = ask(st, now); err == nil {
			// Encoded here, while nobody changes the state.
			var raw []byte
			raw, err = json.Marshal(out)
			out = json.RawMessage(raw)
		}
		return err
	}
	err := s.at(r.Context(), r.URL.Query().Get("at"), do)
	var usage *usageError
	switch {
	case errors.Is(err, errBadRequest):
		replyError(w, http.StatusBadRequest, err)
	case errors.As(err, &usage): // what the path names is not there
		replyError(w, http.StatusNotFound, err)
	case err != nil:
		replyError(w, http.StatusServiceUnavailable, err)
	default:
		reply(w, http.StatusOK, out)
	}
}

// errBadRequest means that a request makes no sense.
var errBadRequest = errors.New("cannot understand the request")

// at gives do the state, now or as of a time past.
func (s *service) at(ctx context.Context, at string, do func(*release.State, time.Time) error) error {
	if at == "" {
		return s.engine.With(ctx, func(st *release.State) error { return do(st, s.now()) })
	}
	t, err := parseMoment(at, time.Time{})
	if err != nil {
		return fmt.Errorf("%w: at: %w", errBadRequest, err)
	}
	select {
	case s.replays <- struct{}{}:
		defer func() { <-s.replays }()
	case <-ctx.Done():
		return ctx.Err()
	}
	st := release.NewStateAsOf(t)
	if err := st.CatchUp(ctx, s.log); err != nil {
		return err
	}
	return do(st, t)
}

func (s *service) health(w http.ResponseWriter, r *http.Request) {
	s.read(w, r, func(st *release.State, _ time.Time) (any, error) {
		return map[string]any{"events": st.Head().Seq, "findings": len(st.Findings())}, nil
	})
}

// policy is that of a stream, or what it was at the time that is asked about.
func (s *service) policy(r *http.Request, st *release.State, stream string, at time.Time) (*release.Policy, error) {
	p, err := policyOf(s.cfg, stream)
	if err != nil || r.URL.Query().Get("at") == "" {
		return p, err
	}
	return policyThen(r.Context(), s.log, st, p, at, s.now())
}

func (s *service) status(w http.ResponseWriter, r *http.Request) {
	known := adapters.Names(s.cfg)
	s.read(w, r, func(st *release.State, now time.Time) (any, error) {
		if name := r.PathValue("stream"); name != "" {
			p, err := s.policy(r, st, name, now)
			if err != nil {
				return nil, err
			}
			return standingOf(p, st, known, now), nil
		}
		all := []streamStatus{}
		for _, p := range s.cfg.Streams() {
			p, err := s.policy(r, st, string(p.Stream), now)
			if err != nil {
				return nil, err
			}
			all = append(all, standingOf(p, st, known, now))
		}
		return all, nil
	})
}

func (s *service) decision(w http.ResponseWriter, r *http.Request) {
	s.read(w, r, func(st *release.State, now time.Time) (any, error) {
		p, err := s.policy(r, st, r.PathValue("stream"), now)
		if err != nil {
			return nil, err
		}
		return release.Decide(p, st, now), nil
	})
}

// listLimit bounds a list of builds.
const listLimit = 200

func (s *service) builds(w http.ResponseWriter, r *http.Request) {
	s.read(w, r, func(st *release.State, now time.Time) (any, error) {
		p, err := s.policy(r, st, r.PathValue("stream"), now)
		if err != nil {
			return nil, err
		}
		l := st.Line(p.Stream)
		if name := r.PathValue("build"); name != "" {
			b := l.ByCompose(name)
			if b == nil {
				b = l.Build(release.BuildID(name))
			}
			if b == nil {
				return nil, usagef("%s has no build %q", p.Stream, name)
			}
			return detail(p, st, b, now), nil
		}
		all := []buildLine{}
		for b := range l.Builds() {
			if len(all) == listLimit {
				break
			}
			all = append(all, listed1(p, l, b, now))
		}
		return all, nil
	})
}

func (s *service) withToken(do func(w http.ResponseWriter, r *http.Request, who holder)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := s.tokens.holder(r)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer realm="assay"`)
			replyError(w, http.StatusUnauthorized, err)
			return
		}
		do(w, r, who)
	}
}

// withPerson is for what people alone do.
func (s *service) withPerson(do func(w http.ResponseWriter, r *http.Request, name string)) http.HandlerFunc {
	return s.withToken(func(w http.ResponseWriter, r *http.Request, who holder) {
		if !who.has(person) {
			replyError(w, http.StatusForbidden, fmt.Errorf("this is for people, and %s is a machine", who.name))
			return
		}
		do(w, r, who.name)
	})
}

func after(r *http.Request) (uint64, error) {
	return strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
}

func (s *service) logEvents(w http.ResponseWriter, r *http.Request, _ holder) {
	from, err := after(r)
	if err != nil {
		replyError(w, http.StatusBadRequest, fmt.Errorf("after: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	enc := json.NewEncoder(w)
	for rec, err := range s.log.Read(r.Context(), from) {
		if err != nil {
			return // without its last line the answer is no answer
		}
		wire := wireRecord{Seq: rec.Seq, Raw: rec.Raw}
		if rec.Err != nil {
			wire.Err = rec.Err.Error()
		}
		if enc.Encode(wire) != nil {
			return
		}
	}
	_ = enc.Encode(wireRecord{End: true})
}

// logPatience is how long a client waits for news in one request.
const logPatience = 30 * time.Second

func (s *service) logWait(w http.ResponseWriter, r *http.Request, _ holder) {
	from, err := after(r)
	if err != nil {
		replyError(w, http.StatusBadRequest, fmt.Errorf("after: %w", err))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), logPatience)
	defer cancel()
	err = s.log.Wait(ctx, from)
	if err != nil && ctx.Err() == nil {
		replyError(w, http.StatusServiceUnavailable, err)
		return
	}
	reply(w, http.StatusOK, err == nil)
}

// takes are the events that come from outside, and who brings them. What the
// stage itself decides and does is none of them.
var takes = map[release.Type]role{
	"build.seen": builder, "build.failed": builder, "packages.listed": builder, "rebuild.failed": builder, "test.answered": worker,
	"check.waived": person, "waiver.withdrawn": person, "build.marked": person, "stream.blocked": person, "stream.unblocked": person,
	"promotion.requested": person, "promotion.withdrawn": person, "release.revoked": person, "revocation.lifted": person,
	"slots.reopened": person, "rebuild.requested": person, "effect.dropped": person, "slot.skipped": person, "releases.retired": person, "history.acknowledged": person,
}

func (s *service) logAppend(w http.ResponseWriter, r *http.Request, who holder) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, release.MaxEvent+64<<10))
	var q wireAppend
	if err == nil {
		err = json.Unmarshal(raw, &q)
	}
	var e release.Event
	if err == nil {
		e, err = release.Decode(q.Event)
	}
	if err != nil {
		replyError(w, http.StatusBadRequest, err)
		return
	}
	if err := who.mayRecord(e); err != nil {
		replyError(w, http.StatusForbidden, err)
		return
	}
	head, err := s.append(r.Context(), q.Head, e)
	switch {
	case errors.Is(err, release.ErrMoved):
		replyError(w, statusMoved, err)
	case errors.Is(err, release.ErrNotAllowed):
		replyError(w, statusRefused, err)
	case err != nil:
		s.tell.Error("cannot record", "event", e.Type, "error", err)
		replyError(w, http.StatusInternalServerError, err)
	default:
		reply(w, http.StatusOK, head)
	}
}

// append records what somebody says after a head, if it is allowed. When it was
// said and which groups they are in, this side knows.
func (s *service) append(ctx context.Context, head release.Head, e release.Event) (release.Head, error) {
	e.Time, e.Actor.Groups = s.now().UTC(), nil
	if e.Actor.Kind == release.Person {
		e.Actor.Groups = s.cfg.GroupsOf(e.Actor.Name)
	}
	err := s.engine.With(ctx, func(st *release.State) error {
		return st.Update(ctx, s.log, func(st *release.State) ([]release.Event, error) {
			if st.Head() != head {
				return nil, release.ErrMoved
			}
			p := s.cfg.Stream(e.Stream)
			if e.Stream == "" {
				p = repairPolicy(s.cfg, st, e.Actor)
			}
			if p == nil {
				return nil, fmt.Errorf("%w: there is no policy of stream %s", release.ErrNotAllowed, e.Stream)
			}
			if err := release.Allow(p, st, e, s.now()); err != nil {
				return nil, err
			}
			return []release.Event{e}, nil
		})
	})
	var next release.Head
	if err == nil {
		err = s.engine.With(ctx, func(st *release.State) error { next = st.Head(); return nil })
	}
	return next, err
}

// greenwavePolicies are those that policies of streams name now.
func (s *service) greenwavePolicies() []greenwave.Policy { return greenwavePoliciesOf(s.cfg.Streams()) }

func greenwavePoliciesOf(streams []*release.Policy) []greenwave.Policy {
	out := []greenwave.Policy{}
	for _, p := range streams {
		for _, g := range p.Gates {
			if g, ok := g.(greenwave.Gate); ok {
				out = append(out, g.Policies...)
			}
		}
	}
	return out
}

// greenwaveEvidence looks for subjects among the builds of the streams that have
// the request's product version. For a time past, policies, results and waivers are
// those of then.
func (s *service) greenwaveEvidence(r *http.Request, q greenwave.Request, when time.Time, do func([]greenwave.Policy, func(greenwave.Subject) (greenwave.Evidence, error)) error) error {
	at := ""
	if !when.IsZero() {
		at = when.UTC().Format(time.RFC3339Nano)
	}
	return s.at(r.Context(), at, func(st *release.State, now time.Time) error {
		then := func(p *release.Policy) (*release.Policy, error) { return p, nil }
		if at != "" {
			then = func(p *release.Policy) (*release.Policy, error) {
				return policyThen(r.Context(), s.log, st, p, now, s.now())
			}
		}
		policies, evidence, err := evidenceThen(s.cfg.Streams(), st, q, now, then)
		if err != nil {
			return err
		}
		return do(policies, evidence)
	})
}

// evidenceThen is what streams have for a request, by the policies that then says
// they had. A stream whose policy cannot be read has no say, and is an error for
// those who ask for its product version, or for a build of it.
func evidenceThen(streams []*release.Policy, st *release.State, q greenwave.Request, now time.Time, then func(*release.Policy) (*release.Policy, error)) ([]greenwave.Policy, func(greenwave.Subject) (greenwave.Evidence, error), error) {
	var asks []func(greenwave.Subject) (greenwave.Evidence, bool)
	var policies []*release.Policy
	lost := map[release.Stream]error{}
	for _, p := range streams {
		was, err := then(p)
		switch {
		case err != nil && slices.Contains(greenwave.ProductVersions(p), q.ProductVersion):
			return nil, nil, err
		case err != nil:
			lost[p.Stream] = err
		default:
			policies = append(policies, was)
			asks = append(asks, greenwave.StateEvidence(was, st, q, now))
		}
	}
	return greenwavePoliciesOf(policies), func(subject greenwave.Subject) (greenwave.Evidence, error) {
		for _, ask := range asks {
			if ev, ok := ask(subject); ok {
				return ev, nil
			}
		}
		for stream, err := range lost {
			if st.Line(stream).ByCompose(subject.Item) != nil {
				return greenwave.Evidence{}, err
			}
		}
		return greenwave.Evidence{}, nil // and what is required is missing
	}, nil
}

// productVersion is what a stream's builds are called in WaiverDB.
func productVersion(p *release.Policy) string { return greenwave.ProductVersions(p)[0] }

// target is for labels of metrics.
func target(t engine.Target) string { return string(t.Kind) + "/" + t.Name }
