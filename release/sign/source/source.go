// Package source opens what a build consists of, where its announcement says it
// is: a file by its absolute path, or a URL. It trusts neither: callers bound
// what they read and compare digests.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// client has no limit for a whole transfer, as images are large, but for a server
// that does not answer.
var client = &http.Client{Transport: &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	ResponseHeaderTimeout: time.Minute,
	TLSHandshakeTimeout:   30 * time.Second,
	IdleConnTimeout:       time.Minute,
}}

// Open opens a location. What is not there is fs.ErrNotExist.
func Open(ctx context.Context, location string) (io.ReadCloser, error) {
	switch u, err := url.Parse(location); {
	case filepath.IsAbs(location):
		return openFile(location)
	case err == nil && u.Scheme == "file" && u.Host == "":
		return openFile(u.Path)
	case err == nil && (u.Scheme == "http" || u.Scheme == "https"):
		return get(ctx, location)
	default:
		return nil, fmt.Errorf("cannot open %q: it is neither an absolute path nor an http(s) URL", location)
	}
}

func openFile(path string) (io.ReadCloser, error) {
	// Without waiting: a pipe would keep us for ever.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the announcement names it; its digest is checked
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, fmt.Errorf("cannot open %s: it is not a regular file", path)
	}
	return f, nil
}

func get(ctx context.Context, location string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, err
	}
	// A body that the transport unpacked would have another digest.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	_ = resp.Body.Close()
	err = errors.New("unexpected answer")
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone {
		err = fs.ErrNotExist
	}
	return nil, fmt.Errorf("cannot get %s: %w (%s)", location, err, resp.Status)
}

// Read reads a whole location of at most limit bytes.
func Read(ctx context.Context, location string, limit int64) ([]byte, error) {
	r, err := Open(ctx, location)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("cannot read %s: more than %d bytes", location, limit)
	}
	return b, err
}

// Object reads a metadata object (kind "commit", "commitmeta") of an ostree
// repository, whose format keeps them as they are in every mode.
func Object(ctx context.Context, repo, checksum, kind string, limit int64) ([]byte, error) {
	return Read(ctx, strings.TrimSuffix(repo, "/")+"/objects/"+checksum[:2]+"/"+checksum[2:]+"."+kind, limit)
}
