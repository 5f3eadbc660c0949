package disk

import (
	"bufio"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"os/exec"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

const (
	// unpackMemory bounds what one stream may make its decoder allocate: xz -9 needs
	// 65 MiB, zstd --long=27 needs 128 MiB.
	unpackMemory = 512 << 20
	readBuffer   = 1 << 20
	// progressEvery is how often Options.Progress is called at most.
	progressEvery = 100 * time.Millisecond
)

// meter reads a file once for everyone who wants its bytes: it hashes and counts
// them on their way to the decoder, and ends when ctx does. One reader at a time.
type meter struct {
	ctx      context.Context // of the one import this meter belongs to
	file     io.Reader
	hash     hash.Hash
	done     int64
	total    int64
	progress func(done, total int64)
	last     time.Time
	err      error // of the file or ctx; io.EOF excepted
}

func (m *meter) Read(p []byte) (int, error) {
	if m.ctx.Err() != nil {
		m.err = context.Cause(m.ctx)
		return 0, m.err
	}
	n, err := m.file.Read(p)
	m.hash.Write(p[:n])
	m.done += int64(n)
	if err != nil && err != io.EOF {
		m.err = fmt.Errorf("cannot read the image: %w", err)
		err = m.err
	}
	if m.progress != nil {
		if now := time.Now(); err == io.EOF || now.Sub(m.last) >= progressEvery {
			m.last = now
			m.progress(m.done, m.total)
		}
	}
	return n, err
}

// drain reads what the decoder left, so that the hash is of the whole file.
func (m *meter) drain() error {
	_, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{m}, make([]byte, readBuffer))
	return err
}

// unpacked is the content of a compressed stream. It tells damaged data (InputError)
// from the host's failures. Close ends a child and waits for it.
type unpacked struct {
	io.Reader
	codec kind
	src   *meter
	close func() error
}

// unpack starts removing the coding k from src. xzProgram is the path of xz, empty to use the
// library. The caller reads to the end, where checksums are verified, and closes in any case.
func unpack(ctx context.Context, k kind, src *meter, xzProgram string) (*unpacked, error) {
	u := &unpacked{codec: k, src: src, close: func() error { return nil }}
	buffered := bufio.NewReaderSize(src, readBuffer)
	var err error
	switch k {
	case kindXZ:
		if xzProgram != "" {
			var p *xzProcess
			if p, err = startXZ(ctx, xzProgram, src); err == nil {
				u.Reader, u.close = p, p.Close
			}
			return u, err
		}
		u.Reader, err = xz.NewReader(buffered)
	case kindGzip:
		u.Reader, err = gzip.NewReader(buffered)
	case kindZstd:
		var d *zstd.Decoder
		if d, err = zstd.NewReader(buffered, zstd.WithDecoderMaxWindow(unpackMemory)); err == nil {
			u.Reader, u.close = d, func() error { d.Close(); return nil }
		}
	case kindBzip2:
		u.Reader = bzip2.NewReader(buffered)
	default:
		return nil, fmt.Errorf("cannot unpack %q data: no such coding", k)
	}
	if err != nil {
		return nil, u.explain(err)
	}
	return u, nil
}

func (u *unpacked) Read(p []byte) (int, error) {
	// Of a bomb the decoder has the whole input at once, and never asks for more.
	if u.src.ctx.Err() != nil {
		return 0, context.Cause(u.src.ctx)
	}
	n, err := u.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = u.explain(err)
	}
	return n, err
}

func (u *unpacked) Close() error { return u.close() }

func (u *unpacked) explain(err error) error {
	if u.src.err != nil {
		return u.src.err
	}
	if u.src.ctx.Err() != nil {
		return context.Cause(u.src.ctx)
	}
	if e, ok := errors.AsType[*hostError](err); ok {
		return e.err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		in := badInput("Fetch the image again and compare its checksum.", "its %s data is cut short", u.codec)
		in.Err = err
		return in
	}
	in := badInput("Fetch the image again and compare its checksum.", "its %s data is damaged or cut short: %v", u.codec, err)
	in.Err = err
	return in
}

// hostError keeps a failure of the host apart from damaged data.
type hostError struct{ err error }

func (e *hostError) Error() string { return e.err.Error() }

// xzProcess is the output of an `xz` child: several times as fast as the library, and on
// all cores for files made in blocks.
type xzProcess struct {
	cmd    *exec.Cmd
	out    io.ReadCloser
	diag   *cappedBuffer
	cancel context.CancelFunc
	waited bool
	err    error
}

func startXZ(ctx context.Context, program string, in io.Reader) (*xzProcess, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, program, "--decompress", "--stdout", "--format=xz", "--threads=0",
		fmt.Sprintf("--memlimit=%d", unpackMemory))
	cmd.Env = childEnv()
	cmd.Stdin = in
	cmd.WaitDelay = 5 * time.Second
	diag := &cappedBuffer{limit: 4096}
	cmd.Stderr = diag
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("cannot start xz: %w", err)
	}
	return &xzProcess{cmd: cmd, out: out, diag: diag, cancel: cancel}, nil
}

// Read returns io.EOF only after xz has ended well.
func (p *xzProcess) Read(b []byte) (int, error) {
	n, err := p.out.Read(b)
	if err == nil {
		return n, nil
	}
	if err = p.wait(); err == nil {
		err = io.EOF
	}
	return n, err
}

func (p *xzProcess) wait() error {
	if p.waited {
		return p.err
	}
	p.waited = true
	err := p.cmd.Wait()
	p.cancel()
	var ee *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &ee) && ee.Exited():
		p.err = errors.New(lastLine(p.diag.String()))
	default:
		p.err = &hostError{fmt.Errorf("cannot run xz: %w", err)}
	}
	return p.err
}

// Close kills a child that has not ended, and waits for it.
func (p *xzProcess) Close() error {
	if !p.waited {
		p.cancel()
		_ = p.wait() // it was killed; nothing to learn
	}
	return nil
}

// findXZ returns the path of the xz program, or nothing.
func findXZ() string {
	p, err := exec.LookPath("xz")
	if err != nil {
		return ""
	}
	return p
}
