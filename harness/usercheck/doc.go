// Package usercheck is users' own checks: executables with a small header, found
// in a folder, copied into a guest and run there. docs/own-checks.md is for those
// who write them; this is how they become checks like any other.
//
// Find reads folders and refuses whatever is not clear, before anything boots.
// Check.Pack bundles a check with its data, so that what runs is what was
// planned, whatever becomes of the folder meanwhile. Check.Registered makes a
// check.Registered of it, in the parent for the plan and in the suite's process
// to be run.
//
// It executes nothing on the host. Of the guest it needs a POSIX shell and tar.
package usercheck
