// Package keeper makes sure that a run leaves nothing behind, however it ends.
//
// A run owns one folder, <runs>/<id>/, and holds an exclusive flock on the file
// "lock" in it for as long as it lives; everything the run makes outside its
// results lies in there. Beside the run lives the keeper: a process in a session of its
// own, joined to the run by a pipe. When the pipe closes without a "done", the
// run was killed, and the keeper removes the folder's files, destroys the run's
// guests and removes the folder. Should the keeper be killed too, the next run
// finds a folder whose lock is free and does the same (Reap).
//
// The package knows nothing of libvirt: how to destroy a run's guests is handed
// to it. It removes only what is in a run's folder and follows no symbolic
// link out of it. It needs a local file system with flock (not NFS without
// locks) and Linux.
package keeper
