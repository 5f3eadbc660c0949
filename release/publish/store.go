package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"assay/artifact"
)

// Where things stand at a target; see the package's comment.
const (
	releasesDir = "releases"
	repoDir     = "repo"
	streamsDir  = "streams"
	ownDir      = ".assay"
	stagingDir  = ownDir + "/staging"
	setsDir     = ownDir + "/sets"
	currentDir  = ownDir + "/current"
	stateDir    = ownDir + "/state"
)

// item is one file to publish. The spool holds it under the same path as the
// target.
type item struct {
	// path is relative to the root of the target, with slashes.
	path string
	// digest is empty for ostree objects, whose names are checksums already.
	digest artifact.Digest
	size   int64
	// replace lets the file be written over: it is detached metadata, or our own
	// account of how far we are.
	replace bool
}

// set is a number of files that readers get old or new, all together.
type set struct {
	// name is the same for each generation of the set, id another for each.
	name, id string
	// files are paths within the set, the one that readers begin with last.
	files []string
	// public says which path of the target each file or folder of the set is
	// at; "" is the whole set.
	public []place
}

type place struct{ in, at string }

// dir is where the files of this generation are, in the spool and the target.
func (s set) dir() string { return setsDir + "/" + s.name + "-" + s.id }

// at is the public path of a file of the set.
func (s set) at(file string) (string, bool) {
	for _, p := range s.public {
		if p.in == "" {
			return p.at + "/" + file, true
		}
		if rest, ok := strings.CutPrefix(file+"/", p.in+"/"); ok {
			return strings.TrimSuffix(p.at+"/"+rest, "/"), true
		}
	}
	return "", false
}

// store is a target. Paths are relative to its root. Each method can be cut off
// anywhere and called again.
type store interface {
	// lock keeps other publishers out, or is errBusy.
	lock(ctx context.Context) (unlock func(), err error)
	// read reads a small file, or is fs.ErrNotExist.
	read(ctx context.Context, path string, limit int64) ([]byte, error)
	// sizes lists the files below a folder; none when it is not there.
	sizes(ctx context.Context, dir string) (map[string]int64, error)
	// put makes each file appear whole, at its path or below stagingDir. A file
	// that is there with other bytes is errChanged, unless it may be replaced.
	put(ctx context.Context, staged bool, items []item) error
	// verify reads files back and compares them with their digests.
	verify(ctx context.Context, staged bool, items []item) error
	// move brings what is staged, and verified, to its path.
	move(ctx context.Context, dir string, items []item) error
	// swap makes a set, whose files are in the spool, the current one.
	swap(ctx context.Context, s set) error
	// download brings a public file back into the spool.
	download(ctx context.Context, it item) error
	// remove deletes a folder and everything below it.
	remove(ctx context.Context, dir string) error
	// removeFiles deletes files; those that are not there are gone already.
	removeFiles(ctx context.Context, files []string) error
}

var (
	errBusy    = errors.New("another publisher is at work there")
	errChanged = errors.New("it is there with other bytes")
	errMissing = errors.New("it is not there")
	errDigest  = errors.New("its bytes are not those that were tested")
)

func stagedPath(staged bool, p string) string {
	if staged {
		return stagingDir + "/" + p
	}
	return p
}

// checkPath refuses what would leave the root.
func checkPath(p string) error {
	if p == "" || path.Clean("/"+p) != "/"+p || strings.ContainsAny(p, "\x00\n\r") {
		return fmt.Errorf("cannot publish %.200q: it is no path within the target", p)
	}
	return nil
}

// nextStep says what a person can do about an error of a target; empty when
// nothing is known.
func nextStep(err error) string {
	for _, s := range []struct {
		err  error
		next string
	}{
		{syscall.ENOSPC, "make room there"},
		{syscall.EDQUOT, "raise the quota or make room there"},
		{fs.ErrPermission, "let this user write there"},
		{syscall.EROFS, "mount it for writing"},
		{errBusy, "wait for it or stop it"},
		{errChanged, "see who changed it; published files never change, so a new build has to be released, or the file moved away by hand"},
		{context.DeadlineExceeded, "see whether the network and the server are up, or raise the limit"},
		{syscall.ECONNREFUSED, "see whether the server is up"},
		{os.ErrDeadlineExceeded, "see whether the network and the server are up"},
	} {
		if errors.Is(err, s.err) {
			return s.next
		}
	}
	// What programs and servers say comes as text, the most telling first.
	for _, s := range []struct{ said, next string }{
		{"No space left on device", "make room there"},
		{"Disk quota exceeded", "raise the quota or make room there"},
		{"Host key verification failed", "see whether it is the right host, and put its key into known_hosts"},
		{"Permission denied", "let this user write there, and see that its key is accepted"},
		{"onnection refused", "see whether the server is up"},
		{"Could not resolve", "see whether the network is up and the name right"},
		{"no such host", "see whether the network is up and the name right"},
		{"Connection timed out", "see whether the network and the server are up"},
		{"onnection unexpectedly closed", "see whether the network and the server are up"},
	} {
		if strings.Contains(err.Error(), s.said) {
			return s.next
		}
	}
	return ""
}
