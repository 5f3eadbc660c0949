package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"assay/release"
	"assay/release/intake"
)

// postBuild is the webhook of those who make builds: a build, or a compose that
// made nothing, in the form of the bus messages. The builder of the token says it.
func (s *service) postBuild(failed bool) http.HandlerFunc {
	return s.withToken(func(w http.ResponseWriter, r *http.Request, who holder) {
		stream := release.Stream(r.PathValue("stream"))
		if !who.has(builder) || who.name == "*" || who.kind() != release.Service {
			// What a person announces with that token is said by the person.
			replyError(w, http.StatusForbidden, fmt.Errorf("builds are announced by a builder with a token of its own, which is no person's, and the token of %s is none", who.name))
			return
		}
		if _, err := policyOf(s.cfg, string(stream)); err != nil {
			replyError(w, http.StatusNotFound, err)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			replyError(w, http.StatusRequestEntityTooLarge, err)
			return
		}
		id, err := intake.Posted(r.Context(), intake.Options{Policies: s.cfg.Streams(), Record: s.engine,
			Tell: func(format string, args ...any) { s.tell.Info(fmt.Sprintf(format, args...)) }}, who.name, stream, failed, body)
		switch {
		case errors.Is(err, intake.ErrRefused):
			replyError(w, statusRefused, err)
		case err != nil:
			s.tell.Error("cannot record what was posted", "by", who.name, "error", err)
			replyError(w, http.StatusServiceUnavailable, err)
		default:
			reply(w, http.StatusOK, map[string]any{"stream": stream, "build": id})
		}
	})
}
