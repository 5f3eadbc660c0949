// Package intake learns of builds from a message bus: composes that ended, with
// or without images, the ostree commits that they made, and builds announced in
// our own form. A Folder learns of those that are put down there, a Schedule has
// them made, each day that brings other packages.
//
// # Once
//
// A message is acknowledged when what it tells stands in the history, which is
// on stable storage by then. One that comes again, after a crash or because it
// was sent twice, adds nothing: the history is asked whether it has all of it.
//
// # What cannot be taken
//
// A message that makes no sense, or that policy or history refuse, is put into
// the queue QUEUE.rejected with the reason in its header assay-reason, and told
// of. What may be mended by waiting (a compose's metadata that cannot be fetched,
// a history that cannot be written) goes to QUEUE.later, comes back from there
// after a while, and is rejected after a day. Both queues are durable, as QUEUE
// is: whoever is down misses nothing. A queue that is the broker's owner's has
// neither beside it: there a message is held, goes back and is tried again, and is
// rejected in the end.
//
// What one stream refuses keeps no other from its build.
//
// Everything in a message was written by others: it is bounded and checked, and
// files are believed to be only below the places that the configuration lists.
package intake
