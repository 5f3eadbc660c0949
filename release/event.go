package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"assay/artifact"
)

// MaxEvent bounds one event in the history, in bytes: a little under the
// 1 MiB that NATS takes by default, headers included.
const MaxEvent = 1000 << 10

// Type names what an event tells: "build.seen".
type Type string

// Fact is the typed content of an event. The types that implement it are those
// of facts.go; each has a Type and a version in the table there.
type Fact interface {
	// Type is the event type this content belongs to.
	Type() Type
	// Validate says what no reader would understand. What it accepts is safe
	// to fold; whether it may be recorded now is Allow's to say.
	Validate() error
}

// Event is one thing that happened.
type Event struct {
	// Seq is the place in the history, from 1. The log sets it.
	Seq uint64
	// ID is the same however often the event is delivered; empty lets
	// NewEvent derive one.
	ID string
	// Type and Version say how Data reads. Both are kept for events that this
	// program does not understand.
	Type    Type
	Version int
	Stream  Stream
	// Time is when it was recorded, by the recorder's clock, in UTC.
	Time  time.Time
	Actor Actor
	// Prev is the hash of the event before, empty in the first.
	Prev artifact.Digest
	// Fact is Data decoded; nil when type or version are not known here.
	Fact Fact
}

// envelope is the wire form. The order of its fields is the order of the bytes.
type envelope struct {
	Seq     uint64          `json:"seq"`
	ID      string          `json:"id"`
	Type    Type            `json:"type"`
	Version int             `json:"version"`
	Stream  Stream          `json:"stream,omitempty"`
	Time    time.Time       `json:"time"`
	Actor   Actor           `json:"actor"`
	Prev    artifact.Digest `json:"prev,omitempty"`
	Data    json.RawMessage `json:"data"`
}

// NewEvent makes an event of a fact. The same fact told twice of one stream by
// one service gets the same ID, so that a delivery that is repeated has one
// effect; who tells it may decide whether it counts. What a person says may be said again on purpose: there the time is
// part of the ID. A deliverer with message ids of its own may set ID to one.
func NewEvent(stream Stream, at time.Time, by Actor, fact Fact) (Event, error) {
	if err := fact.Validate(); err != nil {
		return Event{}, fmt.Errorf("cannot record %s of %s: %w", fact.Type(), stream, err)
	}
	data, err := marshal(fact)
	if err != nil {
		return Event{}, fmt.Errorf("cannot record %s of %s: %w", fact.Type(), stream, err)
	}
	switch {
	case by.Kind == Person:
		data = fmt.Appendf(data, "\n%s %d", by.Name, at.UnixNano())
	case by.Name != Self.Name:
		data = fmt.Appendf(data, "\n%s", by.Name)
	}
	sum := sha256.Sum256(data)
	return Event{
		ID:   fmt.Sprintf("%s:%s:%s", fact.Type(), stream, hex.EncodeToString(sum[:16])),
		Type: fact.Type(), Version: vocabulary[fact.Type()].version,
		Stream: stream, Time: at.UTC(), Actor: by, Fact: fact,
	}, nil
}

// Head is the end of a history: how many events it has and the hash of the last.
type Head struct {
	Seq  uint64          `json:"seq"`
	Hash artifact.Digest `json:"hash,omitempty"`
}

// Encode returns the bytes of e as the event after head: compact JSON in a fixed
// order, without a line break. The bytes are what is stored, hashed, exported
// and never written anew.
func Encode(head Head, e Event) ([]byte, error) {
	if e.Fact == nil {
		return nil, fmt.Errorf("cannot record %s: it has no content", e.Type)
	}
	if e.Stream != "" {
		if err := e.Stream.Validate(); err != nil {
			return nil, fmt.Errorf("cannot record %s: %w", e.Type, err)
		}
	}
	if err := errors.Join(e.Fact.Validate(), e.Actor.Validate(), short("event id", e.ID, 512), needed("event id", e.ID)); err != nil {
		return nil, fmt.Errorf("cannot record %s of %s: %w", e.Type, e.Stream, err)
	}
	if needsStream := vocabulary[e.Type].perStream; needsStream != (e.Stream != "") {
		return nil, fmt.Errorf("cannot record %s: its stream is %q, and it is a fact of %s", e.Type, e.Stream,
			map[bool]string{true: "one stream", false: "the whole history"}[needsStream])
	}
	data, err := marshal(e.Fact)
	if err != nil {
		return nil, fmt.Errorf("cannot record %s of %s: %w", e.Type, e.Stream, err)
	}
	raw, err := marshal(envelope{head.Seq + 1, e.ID, e.Type, vocabulary[e.Type].version, e.Stream, e.Time.UTC(), e.Actor, head.Hash, data})
	if err != nil {
		return nil, fmt.Errorf("cannot record %s of %s: %w", e.Type, e.Stream, err)
	}
	if len(raw) > MaxEvent {
		return nil, fmt.Errorf("cannot record %s of %s: %d bytes are more than the %d an event may have", e.Type, e.Stream, len(raw), MaxEvent)
	}
	return raw, nil
}

// HashOf is the hash that the next event carries as Prev.
func HashOf(raw []byte) artifact.Digest { return artifact.DigestOf(sha256.Sum256(raw)) }

// Decode reads the bytes of one event. Fields it does not know are left alone:
// they stay in raw. An event of a type or version that this program does not
// know is returned with a nil Fact and an *UnknownError beside it.
func Decode(raw []byte) (Event, error) {
	if e, ok := decodeOnce(raw); ok {
		return e, nil
	}
	e, data, err := decodeEnvelope(raw)
	if err != nil {
		return e, err
	}
	v, ok := vocabulary[e.Type]
	if !ok || e.Version != v.version {
		return e, &UnknownError{e.Type, e.Version}
	}
	fact := v.make()
	if err := json.Unmarshal(data, fact); err != nil {
		return e, fmt.Errorf("cannot read event %d (%s): %w", e.Seq, e.Type, err)
	}
	if err := fact.Validate(); err != nil {
		return e, fmt.Errorf("cannot read event %d (%s): %w", e.Seq, e.Type, err)
	}
	e.Fact = fact
	return e, nil
}

// decodeOnce reads envelope and content in one pass, which is what folding a
// long history spends its time on. It guesses the type from where Encode puts
// it; whatever is unusual about the bytes is left to the longer way.
func decodeOnce(raw []byte) (Event, bool) {
	if len(raw) > MaxEvent || bytes.ContainsAny(raw, "\r\n") {
		return Event{}, false
	}
	_, rest, _ := bytes.Cut(raw, []byte(`,"type":"`))
	guess, _, _ := bytes.Cut(rest, []byte(`"`))
	v, ok := vocabulary[Type(guess)]
	if !ok || bytes.Count(raw, []byte(`,"data":{`)) != 1 {
		return Event{}, false
	}
	fact := v.make()
	w := struct {
		*envelope
		Data any `json:"data"`
	}{&envelope{}, fact}
	rest, list, cut := cutPassed(raw)
	if json.Unmarshal(rest, &w) != nil || w.Type != Type(guess) || w.Version != v.version || w.Data != fact || cut && !restore(fact, list) || fact.Validate() != nil {
		return Event{}, false
	}
	e, err := w.event()
	if err != nil {
		return Event{}, false
	}
	e.Fact = fact
	return e, true
}

func decodeEnvelope(raw []byte) (Event, json.RawMessage, error) {
	if len(raw) > MaxEvent {
		return Event{}, nil, fmt.Errorf("cannot read event: %d bytes are more than the %d an event may have", len(raw), MaxEvent)
	}
	if bytes.ContainsAny(raw, "\r\n") {
		return Event{}, nil, errors.New("cannot read event: it has a line break, so assay did not write it")
	}
	var w envelope
	if err := json.Unmarshal(raw, &w); err != nil {
		return Event{}, nil, fmt.Errorf("cannot read event: %w", err)
	}
	if len(w.Data) == 0 {
		return Event{Seq: w.Seq}, nil, errors.New("cannot read event: seq, id, type, version, time and data are needed")
	}
	e, err := w.event()
	return e, w.Data, err
}

// event checks the envelope.
func (w *envelope) event() (Event, error) {
	e := Event{Seq: w.Seq, ID: w.ID, Type: w.Type, Version: w.Version, Stream: w.Stream, Time: w.Time.UTC(), Actor: w.Actor, Prev: w.Prev}
	switch {
	case w.Seq == 0 || w.ID == "" || w.Type == "" || w.Version < 1 || w.Time.IsZero():
		return e, errors.New("cannot read event: seq, id, type, version, time and data are needed")
	case len(w.ID) > 512 || len(w.Type) > 64:
		return e, errors.New("cannot read event: its id or type is too long")
	case w.Stream != "" && w.Stream.Validate() != nil:
		return e, fmt.Errorf("cannot read event %d: %w", w.Seq, w.Stream.Validate())
	}
	if v, ok := vocabulary[e.Type]; ok && v.perStream != (e.Stream != "") {
		return e, fmt.Errorf("cannot read event %d (%s): its stream is %q", e.Seq, e.Type, e.Stream)
	}
	if err := w.Actor.Validate(); err != nil {
		return e, fmt.Errorf("cannot read event %d: %w", w.Seq, err)
	}
	return e, nil
}

// UnknownError means that a later version of this program wrote an event.
type UnknownError struct {
	Type    Type
	Version int
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("this assay does not know events %q of version %d: use the version that wrote it, or a later one", e.Type, e.Version)
}

// marshal is json.Marshal without the escapes for HTML and without a line break.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
