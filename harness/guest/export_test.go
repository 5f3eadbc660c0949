package guest

import (
	"io"
	"net"
	"time"
)

// SetRebootLimits shortens what a test would wait for.
func SetRebootLimits(s *SSH, down, up time.Duration) { s.downLimit, s.upLimit = down, up }

// textConn is a connection that says a text and ends.
type textConn struct {
	net.Conn
	r io.Reader
}

func (c *textConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// Shortened is what a message shows of arguments.
var Shortened = shortened
