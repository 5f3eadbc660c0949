// Package host is the tools that a guest's operating system is managed with,
// behind one interface: rpm-ostree, atomic host, bootc and plain ostree admin
// for deployments (Driver), atomic and Quadlet for system containers
// (SystemContainers).
//
// It runs commands in a guest and turns what they say into one model; it
// judges nothing, reboots nothing unless asked to, and needs nothing of the
// machine it runs on. What a tool cannot do is an *UnsupportedError, what it
// refused to do is a *RefusedError that says why as far as its words are known.
package host
