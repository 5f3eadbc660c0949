// Package trackertest says what every adapter for an issue tracker does, and
// shows it against real servers (Gitea, Pagure) and against stand-ins that
// answer in the shapes of recorded messages.
//
// A stand-in refuses what nobody planned: a request it does not know, a
// parameter it does not know, a request without the token. The real servers
// show that the stand-ins for Gitea and Pagure are right; those for GitHub,
// GitLab and Bugzilla follow recordings and the services' documentation.
package trackertest
