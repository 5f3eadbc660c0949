package harness

import "al.essio.dev/pkg/shellescape"

// quote makes one argument safe to paste into a shell, for commands that we
// show. Nothing in here ever goes to a shell by itself.
func quote(s string) string { return shellescape.Quote(s) }
