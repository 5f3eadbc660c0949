// Package publish puts a release where its readers are: a directory, a server
// reached by rsync over SSH, or a bucket of an S3 store.
//
// # What stands at a target
//
//	releases/STREAM/BUILD/    images, CHECKSUM files, signatures, documentation,
//	                          files.json with the digest of each
//	repo/                     an ostree repository in archive mode
//	streams/STREAM/           what changes with each release: release.json, the
//	                          pointer, and the pages and metadata beside it
//	index.html                pages at the root, if there are any
//	.assay/                   staged files, sets of files that are switched
//	                          together, how far publishing has come
//
// # Why a kill at any line is safe
//
// What has a name of its own for ever (images, ostree objects, static deltas)
// is put first: nobody refers to it yet. It is never written over: a file that
// is there with other bytes stops the release. Then what refers to it is
// switched: first the refs and the summary of the repository, then the stream's
// pointer. In a directory and over rsync a switch is one rename of a symbolic
// link, which moves a whole set of files; a bucket has no such thing, so there
// the files of a set are put one by one and the one that readers begin with
// last. Every step looks at what is there and does what is missing, so a step
// that was cut off is taken again from its beginning.
//
// After a release was revoked the one before is published by the same steps, also
// when its build is gone since. Its ostree content comes as a new commit then,
// which names the tested one as its origin: hosts take no commit that is older
// than theirs.
//
// A file's digest is checked when it comes in, in its staging place and in its
// public place, against what was tested; signatures are verified before the
// first byte leaves this host (see sign.Trust).
//
// Nothing published is deleted but by Retire, which is told what.
//
// Machines follow the refs of the repository from StepRefs on, before people see
// the images: each ref is of the old release or of the new one.
//
// It needs ostree on the host, and rsync and ssh for such targets. Whoever
// serves a directory has to follow symbolic links within it.
package publish
