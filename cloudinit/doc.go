// Package cloudinit turns a typed seed into the documents that cloud-init reads
// at a guest's first boot (user-data, meta-data, network-config) and those into
// an ISO image, either a NoCloud seed or an OpenStack config drive.
//
// It never boots a guest, never talks to a network, and never lets a private key
// into a log or an error: secrets print as "[redacted]". What it writes it reads
// back with a reader that shares no code with the writer, and compares byte by
// byte before the file gets its name.
//
// It needs nothing of the host but a folder to write to. While an ISO is written,
// the ISO library keeps a copy of the documents in a private (0700) folder under
// the system's temporary directory; a process that may be killed half-way points
// TMPDIR into its own scratch folder.
package cloudinit
