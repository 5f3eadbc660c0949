// Package trees provides what a host is upgraded to and set back to: the
// versions in an ostree repository of the user's, or, for want of one, two that
// are derived inside a guest from the image's own commit. It serves them over
// HTTP, also slowly and broken off.
//
// A derived repository holds only what differs from the image: a host that
// pulls from it has the rest. It is some kilobytes, made in seconds.
package trees
