package web

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/onsi/gomega"

	"assay/harness/guest"
	"assay/suites/check"
	"assay/suites/engine"
)

// A check is a value: what is promised, which guest it wants (here the default, a
// fork of the first boot), and the function that finds out.
var _ = check.Register(suite, check.Check{
	Name: "reached", Title: "the web service in a container is reached from outside the guest", Labels: []string{"web"}, Limit: 4 * time.Minute,
	Run: func(ctx context.Context, t *check.T) error { return engine.Each(ctx, t, reached) },
})

const (
	container = "web-reached"
	port      = 18081
)

func reached(ctx context.Context, e engine.Engine) error {
	image, err := e.Image(ctx, "httpd") // from the harness's registry
	if err != nil {
		return err
	}
	defer e.Remove(ctx, container)
	if _, err := e.Must(ctx, "start the web service", "run", "-d", "--name", container, "-p", fmt.Sprintf("%d:80", port), image); err != nil {
		return err
	}
	err = assert(func(g gomega.Gomega) error {
		ask := func() (string, error) { return page(ctx, e.Guest()) }
		limit := time.Duration(30 * float64(time.Second) * e.Guest().Scale()) // an emulated guest is slow
		g.Eventually(ask).WithContext(ctx).WithTimeout(limit).WithPolling(time.Second).Should(
			gomega.ContainSubstring("ASSAY TEST PAGE"), "the page of the web service is not seen from outside")
		return nil
	})
	if err != nil {
		// A guest that is gone shows no page either, and that is not the image's fault.
		if _, lost := guest.Ask(ctx, e.Guest(), "true"); lost != nil {
			return lost
		}
	}
	return err
}

// page gets the start page over the guest's network.
func page(ctx context.Context, t *check.T) (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := t.Dial(ctx, port)
		if err != nil {
			return nil, err
		}
		conn, ok := c.(net.Conn)
		if !ok {
			return nil, fmt.Errorf("a connection to the guest is a %T", c)
		}
		return conn, nil
	}}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://guest/", nil)
	if err != nil {
		return "", err
	}
	answer, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	return string(b), err
}
