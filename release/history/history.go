// Package history keeps the release stage's history on NATS JetStream: in a
// server inside this process, with one folder and no network listener, or in a
// cluster by its URL; the code that appends and reads is the same.
//
// What it promises: an event is on stable storage before Append returns; of two
// that append after the same head one wins; events are never changed or
// removed. Beside the stream stands a small file, the anchor, that says how far
// the history had come, so that an end that was cut off is noticed. Files of the
// embedded store that do not look right are copied before the server mends them.
// The hash chain is checked by whoever folds the history; see release.State.
//
// It decides nothing, and needs of the host a folder on a file system that
// honours fsync.
package history

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"time"

	"assay/release"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sys/unix"
)

// Options say where a history is kept.
type Options struct {
	// Dir holds the anchor and, embedded, the server's store. It is made when
	// it is missing. One process at a time may have it open.
	Dir string
	// URL is of a NATS cluster with JetStream ("nats://..." or "tls://...",
	// several with commas); empty embeds a server.
	URL string
	// Credentials is a NATS credentials file, for a cluster that wants one.
	Credentials string
	// Stream is the JetStream stream's name; "ASSAY" when empty.
	Stream string
	// Replicas of the stream in a cluster; 3 when 0 and there is a URL.
	Replicas int
	// Log is told of trouble that is mended by itself; nil is silence.
	Log func(format string, args ...any)
}

// History is a release.Log. It is safe for concurrent use. Close it.
type History struct {
	opts     Options
	lock     *os.File
	server   *server.Server
	conn     *nats.Conn
	js       jetstream.JetStream
	stream   jetstream.Stream
	subject  string
	findings []release.Finding

	mu sync.Mutex // guards the anchor
	// pending is the anchor's finding while no person has acknowledged it: the
	// anchor then keeps what it says.
	pending *release.Finding
	anchor  anchor
}

var _ release.Log = (*History)(nil)

// How long a call to the server may take. A cluster that elects a leader needs
// some seconds.
const callTimeout = 20 * time.Second

// Open opens the history, and makes an empty one where there is none. Damage it
// sees is no error: see Findings. What a broken import has left is ErrHalfImport.
func Open(ctx context.Context, o Options) (*History, error) { return openFor(ctx, o, false) }

// openFor also opens a history for an import, which may throw a half one away.
func openFor(ctx context.Context, o Options, anImport bool) (_ *History, err error) {
	if o.Stream == "" {
		o.Stream = "ASSAY"
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	h := &History{opts: o, subject: o.Stream + ".events"}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("cannot open the history in %s: %w", o.Dir, err), h.Close())
		}
	}()
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	if h.lock, err = lock(filepath.Join(o.Dir, "lock")); err != nil {
		return nil, err
	}
	if o.URL == "" && !HalfImported(o.Dir) {
		// The server mends what it opens, and cuts off what it cannot read.
		if err := keepEvidence(o.Dir, o.Stream); err != nil {
			return nil, err
		}
	}
	if err := h.connect(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	fresh, err := h.openStream(ctx)
	if err != nil {
		return nil, err
	}
	half, err := h.isHalf()
	switch {
	case err != nil:
		return nil, err
	case half && anImport:
		return h, h.restart(ctx)
	case half:
		return nil, fmt.Errorf("%w, or is under way elsewhere: `assay history import` begins it anew", ErrHalfImport)
	}
	if err := h.checkAnchor(ctx, fresh); err != nil {
		return nil, err
	}
	kept, err := evidenceFindings(o.Dir)
	if err != nil {
		return nil, err
	}
	h.findings = append(h.findings, kept...)
	if anImport && len(h.findings) > 0 {
		return nil, fmt.Errorf("%s: import into an empty folder", h.findings[0].Text)
	}
	return h, nil
}

// ErrLocked means that another process has the folder open.
var ErrLocked = errors.New("another process has it open")

// lock keeps a second process out of the folder: two servers in one store
// would ruin it.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w (%s is locked): stop it, or ask it", ErrLocked, path)
		}
		return nil, err
	}
	return f, nil
}

func (h *History) connect() (err error) {
	opts := []nats.Option{nats.Name("assay history"), nats.MaxReconnects(-1), nats.Timeout(callTimeout),
		// What is published while the connection is down must fail, not wait
		// in a buffer that a crash would lose.
		nats.ReconnectBufSize(-1)}
	url := h.opts.URL
	if url == "" {
		if h.server, err = embed(filepath.Join(h.opts.Dir, "jetstream"), h.opts.Log); err != nil {
			return err
		}
		opts = append(opts, nats.InProcessServer(h.server))
	} else if h.opts.Credentials != "" {
		opts = append(opts, nats.UserCredentials(h.opts.Credentials))
	}
	if h.conn, err = nats.Connect(url, opts...); err != nil {
		return err
	}
	h.js, err = jetstream.New(h.conn, jetstream.WithDefaultTimeout(callTimeout))
	return err
}

// openStream also says whether the stream had to be made.
func (h *History) openStream(ctx context.Context) (fresh bool, err error) {
	h.stream, err = h.js.Stream(ctx, h.opts.Stream)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, err
	}
	// The anchor first: a stream without one is then never our own beginning.
	if _, err := readAnchor(h.anchorPath()); errors.Is(err, os.ErrNotExist) {
		if err := writeAnchor(h.anchorPath(), anchor{}); err != nil {
			return false, err
		}
	}
	replicas := 1
	if h.opts.URL != "" {
		if replicas = h.opts.Replicas; replicas == 0 {
			replicas = 3
		}
	}
	h.stream, err = h.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: h.opts.Stream, Subjects: []string{h.subject}, Description: "history of the Assay release stage: append only",
		Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew,
		Replicas: replicas, MaxMsgSize: release.MaxEvent + 4096, Duplicates: 10 * time.Minute,
		DenyDelete: true, DenyPurge: true,
	})
	return true, err
}

// Close ends the connection and the embedded server. Closing twice does
// nothing.
func (h *History) Close() error {
	if h.conn != nil {
		h.conn.Close()
	}
	if h.server != nil {
		h.server.Shutdown()
		h.server.WaitForShutdown()
	}
	if h.lock != nil {
		h.lock.Close()
	}
	h.conn, h.server, h.lock = nil, nil, nil
	return nil
}

// Begin writes the first event of an empty history and does nothing to any
// other.
func (h *History) Begin(ctx context.Context, now time.Time) error {
	last, err := h.last(ctx)
	if err != nil || last > 0 {
		return err
	}
	e, err := release.NewEvent("", now, release.Self, &release.HistoryOpened{History: rand.Text()})
	if err == nil {
		_, err = h.Append(ctx, release.Head{}, e)
	}
	if errors.Is(err, release.ErrMoved) {
		return nil
	}
	return err
}

// Append implements release.Log.
func (h *History) Append(ctx context.Context, head release.Head, e release.Event) (release.Head, error) {
	raw, err := release.Encode(head, e)
	if err != nil {
		return head, err
	}
	next := release.Head{Seq: head.Seq + 1, Hash: release.HashOf(raw)}
	if err := h.publish(ctx, head, raw, e.ID); err != nil {
		return head, fmt.Errorf("cannot append %s after event %d: %w", e.Type, head.Seq, err)
	}
	if err := h.advance(next, e); err != nil {
		return head, fmt.Errorf("event %d is stored, and its anchor is not: %w", next.Seq, err)
	}
	return next, nil
}

func (h *History) publish(ctx context.Context, head release.Head, raw []byte, id string) error {
	opts := []jetstream.PublishOpt{jetstream.WithExpectLastSequence(head.Seq), jetstream.WithExpectStream(h.opts.Stream)}
	if id != "" {
		opts = append(opts, jetstream.WithMsgID(id))
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ack, err := h.js.PublishMsg(ctx, &nats.Msg{Subject: h.subject, Data: raw, Header: nats.Header{}}, opts...)
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant):
		return release.ErrMoved
	case err != nil:
		return err
	case ack.Duplicate:
		// Our own event of a moment ago, whose acknowledgement was lost.
		return release.ErrMoved
	case ack.Sequence != head.Seq+1:
		return fmt.Errorf("it was stored as event %d", ack.Sequence)
	}
	return nil
}

// last is the number of the last event in the stream.
func (h *History) last(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	info, err := h.stream.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("cannot ask how long the history is: %w", err)
	}
	return info.State.LastSeq, nil
}

// Findings implements release.Log: what was seen when the history was opened.
func (h *History) Findings() []release.Finding { return h.findings }

// Wait implements release.Log.
func (h *History) Wait(ctx context.Context, seq uint64) error {
	cons, err := h.consumer(ctx, seq+1)
	if err != nil {
		return fmt.Errorf("cannot wait for event %d: %w", seq+1, err)
	}
	defer h.drop(ctx, cons)
	msgs, err := cons.Messages()
	if err != nil {
		return fmt.Errorf("cannot wait for event %d: %w", seq+1, err)
	}
	defer msgs.Stop()
	if _, err := msgs.Next(jetstream.NextContext(ctx)); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("cannot wait for event %d: %w", seq+1, err)
	}
	return nil
}

func (h *History) consumer(ctx context.Context, from uint64) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return h.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute,
	})
}

// drop removes a consumer, which would go by itself after a minute.
func (h *History) drop(ctx context.Context, cons jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if err := h.stream.DeleteConsumer(ctx, cons.CachedInfo().Name); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		h.opts.Log("cannot remove a consumer: %v", err)
	}
}

// few is how many events are fetched one by one; a consumer costs about as
// much to set up.
const few = 16

// Read implements release.Log.
func (h *History) Read(ctx context.Context, after uint64) iter.Seq2[release.Record, error] {
	return func(yield func(release.Record, error) bool) {
		last, err := h.last(ctx)
		if err != nil {
			yield(release.Record{}, err)
			return
		}
		at := after
		if last > after+few {
			if at, err = h.bulk(ctx, after, last, yield); err != nil {
				if !errors.Is(err, errStopped) {
					yield(release.Record{}, err)
				}
				return
			}
		}
		// The rest, and what no consumer would hand out.
		for seq := at + 1; seq <= last; seq++ {
			r, gone, err := h.one(ctx, seq)
			if err != nil {
				yield(release.Record{}, err)
				return
			}
			if gone && seq == last {
				// Whoever appends has to know that the number is taken.
				r, gone = release.Record{Seq: seq, Err: jetstream.ErrMsgNotFound}, false
			}
			if !gone && !yield(r, nil) {
				return
			}
		}
	}
}

var errStopped = errors.New("the reader has enough")

// batch bounds what is under way between server and reader.
const batch = 500

// bulk reads through a consumer as far as one gets.
func (h *History) bulk(ctx context.Context, after, last uint64, yield func(release.Record, error) bool) (at uint64, err error) {
	at = after
	cons, err := h.consumer(ctx, after+1)
	if err != nil {
		return at, fmt.Errorf("cannot read the history: %w", err)
	}
	defer h.drop(ctx, cons)
	for at < last {
		got := at
		msgs, err := cons.FetchNoWait(batch)
		if err != nil {
			return at, fmt.Errorf("cannot read the history: %w", err)
		}
		for m := range msgs.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				return at, fmt.Errorf("cannot read the history: %w", err)
			}
			seq := meta.Sequence.Stream
			if seq <= at || seq > last {
				continue
			}
			at = seq
			if !yield(release.Record{Seq: seq, Raw: m.Data()}, nil) {
				return at, errStopped
			}
		}
		if err := ctx.Err(); err != nil {
			return at, err
		}
		if msgs.Error() != nil || at == got {
			// Something is unreadable, and is found one by one.
			return at, nil
		}
	}
	return at, nil
}

// one reads a single event. gone is true when the stream has none of that
// number, which the fold of the history finds out by itself.
func (h *History) one(ctx context.Context, seq uint64) (r release.Record, gone bool, err error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	m, err := h.stream.GetMsg(call, seq)
	switch {
	case err == nil:
		return release.Record{Seq: seq, Raw: m.Data}, false, nil
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return r, true, nil
	case ctx.Err() != nil:
		return r, false, ctx.Err()
	case errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders):
		return r, false, fmt.Errorf("cannot read event %d: %w", seq, err)
	}
	return release.Record{Seq: seq, Err: err}, false, nil
}
