// Package tracker does the bug effects of the release stage in issue trackers:
// it files a bug, comments on it, closes and reopens it, once each, and reports
// what people did to bugs. What is to be done the core decides; see
// release.Effects.
//
// # Once
//
// A tracker cannot be asked to do something under a key, so every text that is
// sent ends in a marker (see Marker) that names the bug's subject and the effect.
// Before anything is done, the account's own issues and comments are searched
// for it. So an effect whose answer was lost, or that a crash cut off, is
// recognised and not done again. A change of state comes before its comment:
// the comment with the marker says that all of the effect has happened.
// Nothing here retries; the outbox does, after a wait.
//
// Only texts by the account that the token belongs to are believed, so nobody
// can pass a bug off as ours.
//
// # People
//
// A bug that a person closed as not to be fixed (a resolution or a label, see
// Config.WontFix) is neither reopened nor commented on, whatever is asked.
// A bug that a person has deleted is filed anew while the failure lasts.
//
// # Errors
//
// What no later attempt mends wraps release.ErrPermanent: a revoked token, a
// project that is not there, a request that the service refuses. The message
// says what a person can do. Everything else may be tried again; how long the
// service wants to be left alone is in StatusError.RetryAfter.
//
// # Secrets
//
// The token is read from a file or from the environment for every request, so
// that a new one needs no restart. It goes out in a header, to the configured
// host alone, over verified TLS (or plain HTTP to a loopback address, when the
// configuration says so). Redirects are not followed. It appears in no error.
//
// The adapters for the services are in the folders below; package trackers
// picks one.
package tracker
