package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"assay/artifact"
)

// bucket is a target in an S3 store, over minio's client.
type bucket struct {
	S3
	client     *minio.Client
	spool, dir string
	at         func(string)
}

// Objects that never change may be kept for ever; what is switched, a minute, as
// Fedora CoreOS has it.
const (
	cacheForEver = "public, max-age=31536000, immutable"
	cacheShortly = "public, max-age=60"
)

// workers is how many small objects are put at a time.
const workers = 8

// metaDigest is the user metadata that has an object's SHA-256.
const metaDigest = "Sha256"

func newBucket(c S3, spool, dir string, transport http.RoundTripper) (*bucket, error) {
	info, err := os.Stat(c.CredentialsFile)
	if err != nil {
		return nil, fmt.Errorf("credentials_file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("credentials_file: others can read %s (mode %04o); chmod 600 it", c.CredentialsFile, info.Mode().Perm())
	}
	client, err := minio.New(c.Endpoint, &minio.Options{Creds: credentials.NewFileAWSCredentials(c.CredentialsFile, c.Profile),
		Secure: !c.Plain, Region: c.Region, Transport: transport, BucketLookup: minio.BucketLookupAuto, MaxRetries: 4})
	if err != nil {
		return nil, err
	}
	return &bucket{S3: c, client: client, spool: spool, dir: dir, at: func(string) {}}, nil
}

func (b *bucket) key(p string) string { return strings.TrimPrefix(path.Join(b.Prefix, p), "/") }

func (b *bucket) local(p string) string { return filepath.Join(b.spool, filepath.FromSlash(p)) }

// fail names the object and turns what the store says into errors of ours.
func (b *bucket) fail(verb, p string, err error) error {
	if err == nil {
		return nil
	}
	r := minio.ToErrorResponse(err)
	switch {
	case r.StatusCode == http.StatusNotFound && r.Code != "NoSuchBucket":
		err = fmt.Errorf("%w (%s)", fs.ErrNotExist, r.Code)
	case r.StatusCode == http.StatusForbidden:
		err = fmt.Errorf("%w: %w", fs.ErrPermission, err)
	}
	return fmt.Errorf("cannot %s %s/%s of %s: %w", verb, b.Bucket, b.key(p), b.Endpoint, err)
}

// lock keeps out publishers of this host. Stores have no locks; two hosts share
// a history, whose leases keep them apart, and the state of the target shows who
// was first.
func (b *bucket) lock(context.Context) (func(), error) { return flock(filepath.Join(b.dir, "lock.s3")) }

func (b *bucket) read(ctx context.Context, p string, limit int64) ([]byte, error) {
	o, err := b.client.GetObject(ctx, b.Bucket, b.key(p), minio.GetObjectOptions{})
	if err != nil {
		return nil, b.fail("read", p, err)
	}
	defer o.Close()
	out, err := io.ReadAll(io.LimitReader(o, limit+1))
	if err == nil && int64(len(out)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return out, b.fail("read", p, err)
}

func (b *bucket) sizes(ctx context.Context, dir string) (map[string]int64, error) {
	out := map[string]int64{}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	root := strings.TrimPrefix(path.Join(b.Prefix, "/"), "/")
	for o := range b.client.ListObjects(ctx, b.Bucket, minio.ListObjectsOptions{Prefix: b.key(dir) + "/", Recursive: true}) {
		if o.Err != nil {
			return nil, b.fail("list", dir, o.Err)
		}
		out[strings.TrimPrefix(strings.TrimPrefix(o.Key, root), "/")] = o.Size
	}
	return out, ctx.Err()
}

// each does something for all items, some at a time, and stops at an error.
func each(ctx context.Context, items []item, do func(context.Context, item) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan item)
	var wg sync.WaitGroup
	for range min(workers, len(items)) {
		wg.Go(func() {
			for it := range next {
				if err := do(ctx, it); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, it := range items {
		select {
		case next <- it:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

func (b *bucket) put(ctx context.Context, staged bool, items []item) error {
	// One listing tells which objects of an ostree repository are there; the
	// other items are looked at one by one.
	there := map[string]int64{}
	for _, it := range items {
		if it.digest == "" && !it.replace {
			var err error
			if there, err = b.sizes(ctx, repoDir); err != nil {
				return err
			}
			break
		}
	}
	return each(ctx, items, func(ctx context.Context, it item) error {
		p := stagedPath(staged, it.path)
		if size, ok := there[p]; ok && it.digest == "" && !it.replace {
			if size != it.size {
				return b.fail("put", p, fmt.Errorf("%w: %d bytes, want %d", errChanged, size, it.size))
			}
			return nil
		}
		if it.digest != "" && !it.replace {
			if err := b.same(ctx, p, it); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		cache := cacheForEver
		if it.replace {
			cache = cacheShortly
		}
		return b.send(ctx, it.path, p, cache, it.digest)
	})
}

// same checks an object that may be there against what it has to be.
func (b *bucket) same(ctx context.Context, p string, it item) error {
	info, err := b.client.StatObject(ctx, b.Bucket, b.key(p), minio.StatObjectOptions{})
	if err != nil {
		return b.fail("look at", p, err)
	}
	if info.Size == it.size && info.UserMetadata[metaDigest] == it.digest.Hex() {
		return nil
	}
	if err := b.check(ctx, p, it); errors.Is(err, errDigest) {
		return b.fail("put", p, fmt.Errorf("%w: %w", errChanged, err))
	} else if err != nil {
		return err
	}
	return nil
}

func (b *bucket) send(ctx context.Context, local, p, cache string, digest artifact.Digest) error {
	b.at("put " + p)
	o := minio.PutObjectOptions{CacheControl: cache, ContentType: contentType(p)}
	if digest != "" {
		o.UserMetadata = map[string]string{metaDigest: digest.Hex()}
	}
	_, err := b.client.FPutObject(ctx, b.Bucket, b.key(p), b.local(local), o)
	b.at("did put " + p)
	return b.fail("put", p, err)
}

func contentType(p string) string {
	switch ext := path.Ext(p); ext {
	case ".html", ".css", ".svg", ".png", ".xml":
		return mime.TypeByExtension(ext)
	case ".atom":
		return "application/atom+xml"
	case ".json":
		return "application/json"
	case ".asc", ".txt", ".md":
		return "text/plain; charset=utf-8"
	}
	if strings.HasSuffix(p, "CHECKSUM") {
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// check reads an object and compares its bytes.
func (b *bucket) check(ctx context.Context, p string, it item) error {
	o, err := b.client.GetObject(ctx, b.Bucket, b.key(p), minio.GetObjectOptions{})
	if err != nil {
		return b.fail("read", p, err)
	}
	defer o.Close()
	d, n, err := digestFrom(ctx, io.LimitReader(o, it.size+1))
	if err == nil && (n != it.size || it.digest != "" && d != it.digest) {
		err = fmt.Errorf("%w: it has %s, want %s", errDigest, d, it.digest)
	}
	return b.fail("verify", p, err)
}

func (b *bucket) verify(ctx context.Context, staged bool, items []item) error {
	return each(ctx, items, func(ctx context.Context, it item) error { return b.check(ctx, stagedPath(staged, it.path), it) })
}

func (b *bucket) move(ctx context.Context, dir string, items []item) error {
	for _, it := range items {
		err := b.same(ctx, it.path, it)
		if err == nil {
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		b.at("move " + it.path)
		// Composing copies within the store, and has no limit of 5 GiB.
		_, err = b.client.ComposeObject(ctx, minio.CopyDestOptions{Bucket: b.Bucket, Object: b.key(it.path), ReplaceMetadata: true,
			UserMetadata: map[string]string{metaDigest: it.digest.Hex(), "Cache-Control": cacheForEver, "Content-Type": contentType(it.path)}},
			minio.CopySrcOptions{Bucket: b.Bucket, Object: b.key(stagedPath(true, it.path))})
		if err != nil {
			return b.fail("move into place", it.path, err)
		}
	}
	if err := b.verify(ctx, false, items); err != nil {
		return err
	}
	return b.remove(ctx, stagingDir+"/"+dir)
}

// swap puts the files of a set one by one, the one that readers begin with last.
func (b *bucket) swap(ctx context.Context, s set) error {
	for _, f := range s.files {
		at, ok := s.at(f)
		if !ok {
			continue
		}
		if err := b.send(ctx, s.dir()+"/"+f, at, cacheShortly, ""); err != nil {
			return err
		}
	}
	return b.leaveOut(ctx, s)
}

// leaveOut removes what an earlier generation of a set had and this one has not:
// pages that nothing links to any more.
func (b *bucket) leaveOut(ctx context.Context, s set) error {
	for _, p := range s.public {
		if p.in != "" {
			continue
		}
		there, err := b.sizes(ctx, p.at)
		if err != nil {
			return err
		}
		for f := range there {
			if slices.Contains(s.files, strings.TrimPrefix(f, p.at+"/")) {
				continue
			}
			if err := b.client.RemoveObject(ctx, b.Bucket, b.key(f), minio.RemoveObjectOptions{}); err != nil {
				return b.fail("remove", f, err)
			}
		}
	}
	return nil
}

func (b *bucket) download(ctx context.Context, it item) error {
	return b.fail("read", it.path, b.client.FGetObject(ctx, b.Bucket, b.key(it.path), b.local(it.path), minio.GetObjectOptions{}))
}

func (b *bucket) remove(ctx context.Context, dir string) error {
	files, err := b.sizes(ctx, dir)
	if err != nil {
		return err
	}
	for f := range files {
		if err := b.client.RemoveObject(ctx, b.Bucket, b.key(f), minio.RemoveObjectOptions{}); err != nil {
			return b.fail("remove", f, err)
		}
	}
	return nil
}

func (b *bucket) removeFiles(ctx context.Context, files []string) error {
	items := make([]item, len(files))
	for i, f := range files {
		items[i].path = f
	}
	return each(ctx, items, func(ctx context.Context, it item) error {
		return b.fail("remove", it.path, b.client.RemoveObject(ctx, b.Bucket, b.key(it.path), minio.RemoveObjectOptions{}))
	})
}
