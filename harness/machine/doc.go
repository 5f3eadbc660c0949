// Package machine runs guests over libvirt: boot, save, fork, reset, destroy.
//
// Guests are transient domains named assay-<run id>-<guest>, marked with the
// run that owns them. Nothing in their definition listens: QEMU connects to
// this process for its network (package network) and for its serial port, so
// no port and no socket can be taken by somebody else. A booted guest is tied
// to the connection that made it (libvirt's autodestroy); a fork cannot be,
// and is ended by DestroyOwned, which the keeper and the next run call.
//
// A fork is an optimisation: whenever one cannot be had the error is
// ErrForkUnavailable and a fresh boot takes its place.
//
// The package never looks into a guest, never changes the host's libvirt
// settings and never touches a domain without its owner mark, or a process that
// is not QEMU for a guest of that run. It needs a libvirt daemon that runs QEMU:
// the system daemon as root or with leave to use it, or the session daemon, which
// it starts when there is none.
package machine
