// Package capacity shares one host's memory, cores and disk between the guests
// of all runs on it, whichever process they belong to.
//
// The ledger is a folder. Whoever wants room writes a ticket file into it,
// keeps an exclusive flock on that file for as long as the room is wanted or
// held, and removes it when done. A ticket whose lock is free belonged to a process
// that was killed, and whoever sees it removes it. Tickets are served strictly
// in the order of their numbers, so a big guest is not starved by small ones.
//
// The package reserves by arithmetic: it measures no guest and enforces
// nothing. Nobody should wait for a second lease while holding a first without a
// deadline: two such runs can wait for each other. It needs a local file system
// with flock, and inotify to be woken early.
package capacity
