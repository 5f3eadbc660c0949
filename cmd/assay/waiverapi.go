package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"assay/release"
	"assay/release/greenwave"
	"assay/release/waiverdb"
	"assay/reports"
)

// waiverHandlers serve the waivers that are in force in the form of WaiverDB,
// for those who ask one. A waiver filed this way is one of ours: it needs a
// token, and ends after waiverLife, since WaiverDB's have no end.
func (s *service) waiverHandlers(mux *http.ServeMux) {
	const root = "/waiverdb/api/v1.0"
	mux.HandleFunc("GET "+root+"/about", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, waiverdb.About{Version: version(), AuthMethod: "Bearer", Server: waiverdb.Assay})
	})
	mux.HandleFunc("GET "+root+"/waivers/{$}", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		s.waivers(w, r, []waiverdb.Filter{{SubjectType: q.Get("subject_type"), Identifier: q.Get("subject_identifier"), TestCase: q.Get("testcase"), ProductVersion: q.Get("product_version")}})
	})
	mux.HandleFunc("POST "+root+"/waivers/+filtered", func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Filters []waiverdb.Filter `json:"filters"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&q); err != nil || len(q.Filters) > 1000 {
			replyError(w, http.StatusBadRequest, fmt.Errorf("want {\"filters\": [...]}, 1000 at most: %w", err))
			return
		}
		s.waivers(w, r, q.Filters)
	})
	mux.HandleFunc("GET "+root+"/waivers/{id}", s.waiver)
	mux.HandleFunc("POST "+root+"/waivers/{$}", s.withPerson(s.fileWaiver))
}

// waiverLife is how long a waiver counts that came in WaiverDB's form: as long
// as two releases of the usual cadence.
const waiverLife = 28 * 24 * time.Hour

func (s *service) allWaivers(st *release.State, now time.Time) (out []greenwave.Waiver) {
	for _, p := range s.cfg.Streams() {
		for b := range st.Line(p.Stream).Builds() {
			if len(b.Waivers) > 0 {
				out = append(out, greenwave.EvidenceOf(b, greenwave.SubjectOf(b), productVersion(p), now).Waivers...)
			}
		}
	}
	return out
}

func (s *service) waivers(w http.ResponseWriter, r *http.Request, filters []waiverdb.Filter) {
	is := func(want, have string) bool { return want == "" || want == have }
	s.read(w, r, func(st *release.State, now time.Time) (any, error) {
		data := []greenwave.Waiver{}
		for _, x := range s.allWaivers(st, now) {
			if slices.ContainsFunc(filters, func(f waiverdb.Filter) bool {
				return is(f.SubjectType, x.SubjectType) && is(f.Identifier, x.Identifier) && is(f.TestCase, x.TestCase) && is(f.ProductVersion, x.ProductVersion)
			}) {
				data = append(data, x)
			}
		}
		return map[string]any{"data": data, "next": nil, "prev": nil}, nil
	})
}

func (s *service) waiver(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	s.read(w, r, func(st *release.State, now time.Time) (any, error) {
		for _, x := range s.allWaivers(st, now) {
			if err == nil && x.ID == id {
				return x, nil
			}
		}
		return nil, usagef("there is no waiver %q in force", r.PathValue("id"))
	})
}

func (s *service) fileWaiver(w http.ResponseWriter, r *http.Request, name string) {
	var q waiverdb.New
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&q); err != nil {
		replyError(w, http.StatusBadRequest, err)
		return
	}
	if name == "*" {
		name = q.Username
	}
	switch {
	case name == "" || q.Username != "" && q.Username != name:
		replyError(w, http.StatusForbidden, fmt.Errorf("the token is not one of %q", q.Username))
		return
	case !q.Waived:
		replyError(w, http.StatusBadRequest, errors.New("only waivers are filed here: `assay release unwaive` takes one back"))
		return
	case q.Comment == "":
		replyError(w, http.StatusBadRequest, errors.New("a waiver has a comment"))
		return
	}
	var (
		head release.Head
		e    release.Event
		made *greenwave.Waiver
	)
	prepare := func(st *release.State) error {
		for _, p := range s.cfg.Streams() {
			l := st.Line(p.Stream)
			b := l.ByCompose(q.Identifier)
			if b == nil {
				b = l.Build(release.BuildID(q.Identifier))
			}
			if b == nil || q.SubjectType != "compose" || q.ProductVersion != productVersion(p) {
				continue
			}
			f := &release.CheckWaived{Build: b.ID, Check: reports.CaseID(q.TestCase), Expires: s.now().Add(waiverLife).UTC(),
				// WaiverDB has no field for a link, and ours wants one.
				Word: release.Word{Reason: q.Comment, Tracker: "WaiverDB form, " + q.Identifier}}
			if q.Scenario != nil {
				f.Artifact = release.ArtifactID(*q.Scenario)
			}
			f.Waiver = waiverName(l, b.ID, f.Check, f.Artifact)
			var err error
			head = st.Head()
			e, err = release.NewEvent(p.Stream, s.now(), release.Actor{Kind: release.Person, Name: name}, f)
			return err
		}
		return usagef("there is no %s %q of product version %q", q.SubjectType, q.Identifier, q.ProductVersion)
	}
	err := release.ErrMoved
	for range 10 { // others may append in between
		if err = s.engine.With(r.Context(), prepare); err == nil {
			_, err = s.append(r.Context(), head, e)
		}
		if !errors.Is(err, release.ErrMoved) {
			break
		}
	}
	if err == nil {
		err = s.engine.With(r.Context(), func(st *release.State) error {
			for _, x := range s.allWaivers(st, s.now()) {
				if x.Identifier == q.Identifier && x.TestCase == q.TestCase && x.Username == name {
					made = &x
				}
			}
			return nil
		})
	}
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		replyError(w, http.StatusNotFound, err)
	case errors.Is(err, release.ErrNotAllowed):
		replyError(w, http.StatusForbidden, err)
	case err != nil:
		replyError(w, http.StatusServiceUnavailable, err)
	case made == nil:
		replyError(w, http.StatusNotFound, fmt.Errorf("%q is recorded, but WaiverDB's form cannot show it: its subject is named otherwise", q.TestCase))
	default:
		reply(w, http.StatusCreated, made)
	}
}
