package cloudinit

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a text that must not be read by whoever reads a log: a private key,
// a password hash. Every way of printing it shows "[redacted]"; Reveal shows it.
type Secret string

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// Format prints "[redacted]" for every verb, %x and %#v included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON keeps the text out of JSON results.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML keeps the text out of a seed that is written back as YAML; the
// documents for the guest are made from other types.
func (s Secret) MarshalYAML() (any, error) { return redacted, nil }

// String tells whose seed it is and nothing that it carries.
func (s Seed) String() string { return fmt.Sprintf("seed %s of %s", s.InstanceID, s.Hostname) }

// Format prints String for every verb. Without it fmt would print the inside of
// HostKeys for a verb that does not fit, such as %s: in an error text of its own
// it asks no method.
func (s Seed) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue implements slog.LogValuer.
func (s Seed) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Format prints the public key for every verb.
func (h HostKeys) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("host key " + h.ED25519Public)) }

// Format prints the account's name for every verb.
func (u User) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("user " + u.Name)) }
