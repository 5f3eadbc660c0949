// Package release is the core of the release stage: history in, decision out.
//
// Everything that happens is an event in one append-only history (see Event and
// the facts it carries). State is a fold over the history, Decide a pure
// function of policy, state and time, Next what the stage itself adds to the
// history because of it, and Effects what the world outside is owed. None of
// them reads a clock, a file or the network, so every decision can be replayed
// as of any date.
//
// The package declares what it needs of others as interfaces: Log keeps the
// history; Tracker, Signer, Publisher and Announcer do what Effects asks for.
// docs/release.md tells how the parts meet.
//
// It fails closed: what is missing, unfinished, undecided, empty or not
// understood is never a pass.
package release
