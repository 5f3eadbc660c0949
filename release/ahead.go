package release

import (
	"runtime"

	"assay/artifact"
)

// read is a record with what can be known of it without the state.
type read struct {
	Record
	event Event
	// fault is what Decode says of it.
	fault error
	hash  artifact.Digest
	id    [16]byte
}

func readRecord(r Record) read {
	out := read{Record: r}
	if r.Err == nil {
		out.hash = HashOf(r.Raw)
		out.event, out.fault = Decode(r.Raw)
		out.id = idKey(out.event.ID)
	}
	return out
}

// ahead decodes records in several goroutines and hands them on in their order:
// decoding is what a cold start spends its time on.
type ahead struct {
	take func(read)
	next []Record
	size int
	// busy are batches that are being decoded, oldest first.
	busy []chan []read
}

// Bounds of a batch, in records and in bytes. A history that has moved by a few
// events is decoded where it is folded.
const (
	batchRecords = 128
	batchBytes   = 4 << 20
)

func (a *ahead) add(r Record) {
	a.next = append(a.next, r)
	if a.size += len(r.Raw); len(a.next) < batchRecords && a.size < batchBytes {
		return
	}
	if len(a.busy) > runtime.GOMAXPROCS(0) {
		a.oldest()
	}
	batch, done := a.next, make(chan []read, 1)
	go func() {
		out := make([]read, len(batch))
		for i, r := range batch {
			out[i] = readRecord(r)
		}
		done <- out
	}()
	a.busy = append(a.busy, done)
	a.next, a.size = nil, 0
}

// oldest waits for the batch that comes next.
func (a *ahead) oldest() {
	for _, r := range <-a.busy[0] {
		a.take(r)
	}
	a.busy = a.busy[1:]
}

// finish hands on what is left, and leaves nothing running.
func (a *ahead) finish() {
	for len(a.busy) > 0 {
		a.oldest()
	}
	for _, r := range a.next {
		a.take(readRecord(r))
	}
	a.next, a.size = nil, 0
}
