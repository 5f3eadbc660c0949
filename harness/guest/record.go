package guest

import "time"

// RecordExcerpt bounds each stream in a Record, in bytes.
const RecordExcerpt = 4 << 10

// Record is one command that ran, for the evidence of a check.
type Record struct {
	Guest   string        `json:"guest"`
	Args    []string      `json:"args"`
	User    string        `json:"user,omitempty"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took_ns"`
	// Exit and Signal are as in Result.
	Exit   int    `json:"exit"`
	Signal string `json:"signal,omitempty"`
	// Stdout and Stderr are the last RecordExcerpt bytes of each stream.
	Stdout string `json:"stdout,omitempty"`
	Stderr string `json:"stderr,omitempty"`
	// Err is set when the command gave no result: a time-out, a lost guest.
	Err string `json:"error,omitempty"`
}

func (s *SSH) record(c Command, started time.Time, r Result, err error) {
	if s.cfg.Record == nil {
		return
	}
	rec := Record{
		Guest: s.cfg.Name, Args: append([]string(nil), c.Args...), User: c.User, Started: started, Took: r.Took,
		Exit: r.Exit, Signal: r.Signal, Stdout: tail(r.Stdout), Stderr: tail(r.Stderr),
	}
	if err != nil {
		rec.Err = err.Error()
	}
	s.cfg.Record(rec)
}

func tail(s string) string { return s[max(0, len(s)-RecordExcerpt):] }
