// Package announce tells people and machines of a release or a revocation: by
// mail (Mailer) and on a message bus (Bus). Both are release.Announcers. Teller is
// beside them a release.Teller: it tells the bus of each test, in the form of the CI
// messages of Fedora and CentOS.
//
// An announcement says what is out and where, how its packages differ from the
// release before, what is known to be wrong with it, and where to read more. A
// revocation says which release was bad, why, and what to use instead.
//
// # Once
//
// Neither a mail server nor a bus can be asked whether it has a message. So a
// message is made of the effect alone, without a clock, and its Message-ID (on
// the bus: message id, a UUID) is derived from the effect's key: whoever gets it
// twice, because a confirmation was lost, knows it for one. An
// effect is done when the server has taken the message, not before.
//
// # Errors
//
// A server that is down, busy or slow is an error that waits. What no retry
// mends wraps release.ErrPermanent: a refused password or recipient, a missing
// exchange. Passwords are read from a file or the environment for each message
// and appear in no error.
//
// All texts come from others: they are cleaned (reports.Line), cut, and never
// part of a header but the subject, which is encoded.
package announce
