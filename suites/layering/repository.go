package layering

import (
	"context"
	"time"

	"assay/harness/host"
)

// Where the packages come from.
type source int

const (
	// fromSigned is the repository of signed packages, with gpgcheck=1.
	fromSigned source = iota
	// fromUnsigned is that of unsigned packages, with gpgcheck=0.
	fromUnsigned
)

// repository makes the harness's repository the only one of the guest.
func (l *layer) repository(ctx context.Context, from source) error {
	if from == fromUnsigned {
		return host.LayerFrom(ctx, l.t, host.PackageSource{URL: l.p.UnsignedURL})
	}
	return host.LayerFrom(ctx, l.t, host.PackageSource{URL: l.p.URL, Key: l.p.Key})
}

// restore gives a shared guest its repositories back, also when ctx has ended.
func (l *layer) restore(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(float64(30*time.Second)*max(1, l.t.Scale())))
	defer cancel()
	if err := host.LayerFromOwn(ctx, l.t); err != nil {
		l.t.Log("%v", err)
	}
}
