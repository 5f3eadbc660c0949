package web

import (
	"context"

	"github.com/onsi/gomega"

	"assay/harness/guest"
	"assay/suites/check"
)

var _ = check.Register(suite, check.Check{
	Name: "kernel-settings", Title: "the kernel takes as many connections as the service needs", Advisory: true, Run: kernelSettings,
})

func kernelSettings(ctx context.Context, t *check.T) error {
	backlog, err := guest.Output(ctx, t, "cat", "/proc/sys/net/core/somaxconn")
	if err != nil {
		return err
	}
	return assert(func(g gomega.Gomega) error {
		g.Expect(backlog).To(gomega.MatchRegexp(`^\d{4,}$`), "net.core.somaxconn is %s, less than 1000", backlog)
		return nil
	})
}
