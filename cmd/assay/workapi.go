package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"assay/release"
	"assay/reports"
)

// workDesk hands tests out to workers, one to each at a time. It remembers who
// has what in memory alone: what counts is the answer, and the history takes one.
// After a restart workers say by themselves what they are at.
type workDesk struct {
	mu     sync.Mutex
	leases map[workID]workLease
}

// workID is one attempt at a test.
type workID struct {
	Stream   release.Stream     `json:"stream"`
	Build    release.BuildID    `json:"build"`
	Artifact release.ArtifactID `json:"artifact"`
	Attempt  int                `json:"attempt"`
}

func (w workID) String() string {
	return fmt.Sprintf("test %d of %s %s %s", w.Attempt, w.Stream, w.Build, w.Artifact)
}

func idOf(t release.Task) workID {
	return workID{t.Stream, t.Request.Build, t.Request.Artifact, t.Request.Attempt}
}

type workLease struct {
	worker string
	until  time.Time
}

// leaseTime is how long a worker is believed to be at work that is not heard of;
// workers say so several times as often.
const leaseTime = 2 * time.Minute

// take leases the first of these tasks that nobody else has. One that the worker
// has already is given again: it did not hear the answer.
func (d *workDesk) take(worker string, tasks []release.Task, now time.Time) (release.Task, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.leases == nil {
		d.leases = map[workID]workLease{}
	}
	for id, l := range d.leases {
		if now.After(l.until) {
			delete(d.leases, id)
		}
	}
	for _, t := range tasks {
		if l, taken := d.leases[idOf(t)]; !taken || l.worker == worker {
			d.leases[idOf(t)] = workLease{worker, now.Add(leaseTime)}
			return t, true
		}
	}
	return release.Task{}, false
}

// hold renews a lease, or says who has it.
func (d *workDesk) hold(worker string, id workID, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l, taken := d.leases[id]; taken && l.worker != worker && !now.After(l.until) {
		return fmt.Errorf("%s is worked on by %s", id, reports.Line(l.worker, 100))
	}
	if d.leases == nil {
		d.leases = map[workID]workLease{}
	}
	d.leases[id] = workLease{worker, now.Add(leaseTime)}
	return nil
}

func (d *workDesk) done(id workID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.leases, id)
}

// claim is what a worker can do.
type claim struct {
	// Worker tells one worker process from all others of its name.
	Worker  string           `json:"worker"`
	Streams []release.Stream `json:"streams,omitempty"`
	Kinds   []release.Glob   `json:"kinds,omitempty"`
	Arches  []string         `json:"arches,omitempty"`
	// Not are tests that the worker is done with, although they are waited for:
	// its answers were refused.
	Not []workID `json:"not,omitempty"`
	// Wait is for how long to wait for work, in seconds; a minute at most.
	Wait int `json:"wait,omitempty"`
}

func (c claim) fits(t release.Task) bool {
	in := func(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }
	return !slices.Contains(c.Not, idOf(t)) && (len(c.Streams) == 0 || slices.Contains(c.Streams, t.Stream)) && in(c.Arches, string(t.Artifact.ID.Arch())) &&
		(len(c.Kinds) == 0 || slices.ContainsFunc(c.Kinds, func(g release.Glob) bool { return g.Match(t.Artifact.ID.Kind()) }))
}

// alive and answer are what a worker says of its work.
type alive struct {
	Worker string `json:"worker"`
	workID
}

type workAnswer struct {
	Worker string                `json:"worker"`
	Stream release.Stream        `json:"stream"`
	Answer *release.TestAnswered `json:"answer"`
}

func (s *service) workHandlers(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/work/claim", s.withWorker(s.claimWork))
	mux.HandleFunc("POST /v1/work/alive", s.withWorker(s.workAlive))
	mux.HandleFunc("POST /v1/work/answer", s.withWorker(s.answerWork))
}

func (s *service) withWorker(do func(http.ResponseWriter, *http.Request, holder)) http.HandlerFunc {
	return s.withToken(func(w http.ResponseWriter, r *http.Request, who holder) {
		if !who.has(worker) {
			replyError(w, http.StatusForbidden, fmt.Errorf("work is for workers, and the token of %s is not one's", who.name))
			return
		}
		do(w, r, who)
	})
}

func readBody(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, release.MaxEvent+64<<10)).Decode(into); err != nil {
		replyError(w, http.StatusBadRequest, err)
		return false
	}
	return true
}

// as is who answers: the token's holder, or the machine that speaks with a token
// of everybody.
func (h holder) as(machine string) release.Actor {
	if h.name == "*" {
		return release.Actor{Kind: release.Service, Name: machine}
	}
	return release.Actor{Kind: h.kind(), Name: h.name}
}

// actor is who answers with a token.
func (s *service) actor(who holder, machine string) release.Actor {
	by := who.as(machine)
	if by.Kind == release.Person {
		by.Groups = s.cfg.GroupsOf(by.Name)
	}
	return by
}

// checkWorker refuses workers without a name.
func checkWorker(name string) error {
	if err := (release.Actor{Kind: release.Service, Name: name}).Validate(); err != nil || name == release.Self.Name {
		return fmt.Errorf("worker %.40q: want a name", name)
	}
	return nil
}

// lookForWork is how often tasks are looked at that nothing moved, for leases
// that have ended meanwhile.
const lookForWork = 5 * time.Second

func (s *service) claimWork(w http.ResponseWriter, r *http.Request, who holder) {
	var c claim
	if !readBody(w, r, &c) {
		return
	}
	if err := checkWorker(c.Worker); err != nil {
		replyError(w, http.StatusBadRequest, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(max(0, min(c.Wait, 60)))*time.Second)
	defer cancel()
	for {
		var seq uint64
		var tasks []release.Task
		if err := s.engine.With(r.Context(), func(st *release.State) error {
			seq = st.Head().Seq
			for _, p := range s.cfg.Streams() {
				if !p.LetsAnswer(s.actor(who, c.Worker)) {
					continue
				}
				for _, t := range release.Tasks(p, st, s.now()) {
					if c.fits(t) {
						tasks = append(tasks, t)
					}
				}
			}
			return nil
		}); err != nil {
			replyError(w, http.StatusServiceUnavailable, err)
			return
		}
		if t, ok := s.desk.take(c.Worker, tasks, s.now()); ok {
			reply(w, http.StatusOK, t)
			return
		}
		if ctx.Err() != nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		turn, stop := context.WithTimeout(ctx, lookForWork)
		if err := s.log.Wait(turn, seq); err != nil && turn.Err() == nil {
			stop()
			replyError(w, http.StatusServiceUnavailable, err)
			return
		}
		stop()
	}
}

func (s *service) workAlive(w http.ResponseWriter, r *http.Request, _ holder) {
	var a alive
	if !readBody(w, r, &a) {
		return
	}
	err := checkWorker(a.Worker)
	if err != nil {
		replyError(w, http.StatusBadRequest, err)
		return
	}
	p := s.cfg.Stream(a.Stream)
	wanted := false
	if p != nil {
		err = s.engine.With(r.Context(), func(st *release.State) error {
			wanted = slices.ContainsFunc(release.Tasks(p, st, s.now()), func(t release.Task) bool { return idOf(t) == a.workID })
			return nil
		})
	}
	switch {
	case err != nil:
		replyError(w, http.StatusServiceUnavailable, err)
	case !wanted:
		replyError(w, http.StatusGone, fmt.Errorf("nobody waits for %s any more", a.workID))
	default:
		if err := s.desk.hold(a.Worker, a.workID, s.now()); err != nil {
			replyError(w, http.StatusGone, err)
			return
		}
		reply(w, http.StatusOK, map[string]any{})
	}
}

func (s *service) answerWork(w http.ResponseWriter, r *http.Request, who holder) {
	var q workAnswer
	if !readBody(w, r, &q) {
		return
	}
	p := s.cfg.Stream(q.Stream)
	err := checkWorker(q.Worker)
	switch {
	case err == nil && p == nil:
		err = fmt.Errorf("there is no stream %q", q.Stream)
	case err == nil && q.Answer == nil:
		err = errors.New("there is no answer in it")
	case err == nil:
		err = q.Answer.Validate()
	}
	if err != nil {
		replyError(w, http.StatusBadRequest, err)
		return
	}
	err = s.engine.Bring(r.Context(), p, s.actor(who, q.Worker), func(*release.State) ([]release.Fact, error) { return []release.Fact{q.Answer}, nil })
	switch {
	case errors.Is(err, release.ErrNotAllowed):
		replyError(w, statusRefused, err)
	case err != nil:
		replyError(w, http.StatusServiceUnavailable, err)
	default:
		s.desk.done(workID{q.Stream, q.Answer.Build, q.Answer.Artifact, q.Answer.Attempt})
		reply(w, http.StatusOK, map[string]any{})
	}
}
