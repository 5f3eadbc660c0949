package sign

import (
	"context"
	"fmt"
	"io"

	"assay/artifact"
)

// form is how a signature is written.
type form string

const (
	clearsigned form = "clearsign"
	armored     form = "armored"
	binary      form = "binary"
	raw         form = "raw" // ed25519: 64 bytes
)

// payload is what is signed.
type payload struct {
	name string
	// read has the bytes.
	read io.Reader
	// location and digest are known of images.
	location string
	digest   artifact.Digest
	arch     artifact.Arch
	build    string
	stream   string
}

// key makes signatures; see Config for where it is.
type key interface {
	sign(ctx context.Context, f form, p payload) ([]byte, error)
}

// Bus asks services over the message bus: it publishes the request and returns
// the first reply that answers it, or ctx's error. release's AMQP adapter is one.
type Bus interface {
	Call(ctx context.Context, topic string, request []byte) (reply []byte, err error)
}

// open makes the key of a configuration that was checked.
func open(c Config, bus Bus) (key, error) {
	switch {
	case c.File != "" && c.Kind == Ed25519:
		return openEd25519(c.File)
	case c.File != "":
		return openOpenPGP(c.File, c.PassphraseFile)
	case c.Agent != nil:
		return &agentKey{*c.Agent}, nil
	case c.Bus != nil && bus == nil:
		return nil, fmt.Errorf("bus: no message bus is configured")
	case c.Bus != nil:
		return &busKey{topic: c.Bus.Topic, bus: bus}, nil
	default:
		return &commandKey{c.Command}, nil
	}
}

// maxSignature bounds a signature, in bytes, and clear-signed text.
const maxSignature = 4 << 20
