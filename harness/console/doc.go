// Package console reads a guest's serial console while the guest runs: it
// writes the bytes to a file and says, within the Write that brings them, what
// they show: a kernel panic, an emergency shell, a boot loader's prompt, a
// login prompt.
//
// It opens no socket, starts no goroutine and never waits: whoever owns the
// connection to the guest calls Write. What a guest prints is foreign input:
// lines, findings and the file are bounded, and any split of the same bytes
// into Writes gives the same findings.
//
// # Whom to believe
//
// A guest prints text of many authors to one wire, and a quoted panic must not
// reject an image. A line is the kernel's when it starts with a kernel time
// stamp ("[   12.345678] ") and no "name[pid]: " follows, because a journal that forwards
// to the console writes its entries with that name. A line with neither is
// believed about the kernel only while the guest has shown no sign of user
// space and no time-stamped kernel line. The boot's phase matters too: a "grub> " after
// the kernel started is somebody's text, and after a login prompt a line
// without an author may come from a session.
package console
