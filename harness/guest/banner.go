package guest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// RFC 4253 section 4.2: other lines may come before the version, which has at
// most 255 bytes. A server with more to say is none.
const (
	bannerLineLimit = 1024
	bannerLines     = 20
)

// bannerConn is a connection whose first bytes were read already.
type bannerConn struct {
	net.Conn
	r io.Reader
}

func (c *bannerConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// readBanner reads up to the server's version line and returns it with a
// connection that still has everything in it. What an sshd says instead
// ("Exceeded MaxStartups") is in the error.
func readBanner(c net.Conn) (string, *bannerConn, error) {
	var seen strings.Builder
	buf := bufio.NewReaderSize(c, bannerLineLimit)
	for range bannerLines {
		line, err := buf.ReadSlice('\n')
		seen.Write(line)
		text := strings.TrimSpace(string(line))
		if err == nil && strings.HasPrefix(text, "SSH-") {
			return text, &bannerConn{Conn: c, r: io.MultiReader(strings.NewReader(seen.String()), buf)}, nil
		}
		if err != nil {
			if said := strings.TrimSpace(seen.String()); said != "" {
				return "", nil, fmt.Errorf("cannot read the SSH banner after %.100q: %w", said, err)
			}
			return "", nil, fmt.Errorf("cannot read the SSH banner: %w", err)
		}
	}
	return "", nil, errors.New("cannot read the SSH banner: the server says other things")
}
