// Package scenario is ten weeks in the life of a release stage: nightly builds
// that are good, bad, missing, flaky, marked, waived and revoked, a security fix,
// a tracker that is down, a service that sleeps through its date, and a second
// stream that follows the first. weeks.go tells them as a table.
//
// Run drives them through the stage as `assay serve` does, with the adapters that
// a configuration names: an embedded history, real signatures, a real ostree
// repository, a directory target, mail and a tracker. Only time is passed in. A
// World is what stands around the stage: mail server, tracker, web server, and the
// readers who check at the end of each day what they are given.
//
// It is for tests and for the demo. It needs ostree and gpgv, and listens on the
// loopback alone.
package scenario
