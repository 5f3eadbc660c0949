package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"assay/harness/guest"
)

const (
	// answerLimit bounds an answer in bytes, and answerTime one attempt on a KVM
	// host; an emulated guest takes a second for a process.
	answerLimit = 64 << 10
	answerTime  = 5 * time.Second
	answerPause = 300 * time.Millisecond
)

// AwaitAnswer asks the web server at a port of the guest for "/" until its
// answer has want in it, over the guest's network, for at most limit on a KVM
// host. It returns the last answer, or why there was none, and whether it is
// the wanted one. An error means that the guest as a whole cannot be asked.
func AwaitAnswer(ctx context.Context, g guest.Guest, port int, limit time.Duration, want string) (last string, ok bool, err error) {
	over := time.After(time.Duration(float64(limit) * g.Scale()))
	for {
		last, err = answer(ctx, g, port)
		if err != nil {
			last = err.Error()
		} else if strings.Contains(last, want) {
			return last, true, nil
		}
		select {
		case <-ctx.Done():
			return last, false, context.Cause(ctx)
		case <-over:
			// A port that nobody opened says nothing of the guest.
			_, err := g.Run(ctx, guest.Command{Args: []string{"true"}})
			return last, false, err
		case <-time.After(answerPause):
		}
	}
}

func answer(ctx context.Context, g guest.Guest, port int) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, max(answerTime, time.Duration(float64(answerTime)*g.Scale())),
		fmt.Errorf("port %d gave no whole answer in time", port))
	defer cancel()
	conn, err := g.Dial(ctx, port)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // breaking it is the aim
	defer stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://guest/", nil)
	if err != nil {
		return "", err
	}
	r.Close = true
	if err := r.Write(conn); err != nil {
		return "", fmt.Errorf("cannot ask port %d: %w", port, err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, answerLimit)), r)
	if err != nil {
		return "", fmt.Errorf("port %d does not answer as a web server: %w", port, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("port %d breaks off its answer: %w", port, err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("port %d answers %s", port, resp.Status)
	}
	return string(body), nil
}

// openScript lets TCP port $1 through firewalld, where that runs.
const openScript = `command -v firewall-cmd >/dev/null 2>&1 || exit 0
systemctl -q is-active firewalld.service || exit 0
firewall-cmd --quiet --add-port="$1/tcp"`

// OpenPort lets a TCP port through the guest's firewall until the next boot.
func OpenPort(ctx context.Context, g guest.Guest, port int) error {
	r, err := Run(ctx, g, 0, openScript, strconv.Itoa(port))
	if err == nil && !r.OK() {
		err = fmt.Errorf("cannot open port %d in firewalld: %s", port, r.Said())
	}
	return err
}
