package harness

import (
	"context"
	"errors"
	"os"
	"time"

	"assay/reports"
)

// Boot boots the image as Run does and hands the guest to opt.Hold, also when
// the guest did not come up by a fault of the image. Nothing is kept: the
// results folder it writes to is temporary.
func Boot(ctx context.Context, opt Options) error {
	dir, err := os.MkdirTemp("", "assay-boot-")
	if err != nil {
		return &InfraError{err}
	}
	defer os.RemoveAll(dir)
	opt.Results = dir
	if err := opt.fill(); err != nil {
		return err
	}
	s, err := open(ctx, opt, &reports.Run{Started: time.Now()})
	if err != nil {
		return err
	}
	i, g, err := s.bringUp(ctx, "boot")
	if err != nil {
		var down *notUpError
		if errors.As(err, &down) && down.Fault == reports.FaultImage {
			return errors.Join(&ImageError{err}, s.close())
		}
		return &InfraError{errors.Join(err, s.close())}
	}
	g.Close()
	held, err := i.held(nil)
	if err == nil {
		opt.Hold(held)
	}
	return errors.Join(err, i.close(), s.close())
}
