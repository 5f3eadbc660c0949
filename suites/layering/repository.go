package layering

import (
	"context"
	"fmt"
	"strings"
	"time"

	"assay/suites/probe"
)

// Where the packages come from.
type source int

const (
	// fromSigned is the repository of signed packages, with gpgcheck=1.
	fromSigned source = iota
	// fromUnsigned is that of unsigned packages, with gpgcheck=0.
	fromUnsigned
)

const (
	repoFile = "/etc/yum.repos.d/assay.repo"
	keyFile  = "/etc/pki/rpm-gpg/RPM-GPG-KEY-assay"
)

// asideScript sets the image's own repositories aside: a guest cannot reach
// them, and tools fail when one repository does not answer. backScript undoes it.
const (
	asideScript = `mkdir -p /etc/yum.repos.d /etc/pki/rpm-gpg && cd /etc/yum.repos.d || exit
rm -f assay.repo
for f in *.repo; do
	[ ! -e "$f" ] || mv "$f" "$f.assay-aside" || exit
done`
	backScript = `cd /etc/yum.repos.d || exit
rm -f assay.repo /etc/pki/rpm-gpg/RPM-GPG-KEY-assay
for f in *.assay-aside; do
	[ ! -e "$f" ] || mv "$f" "${f%.assay-aside}" || exit
done`
)

// repository makes the harness's repository the only one of the guest.
func (l *layer) repository(ctx context.Context, from source) error {
	if err := l.script(ctx, "set the image's own repositories aside", asideScript); err != nil {
		return err
	}
	text := "[assay]\nname=Assay's packages\nenabled=1\nbaseurl="
	switch from {
	case fromUnsigned:
		text += l.p.UnsignedURL + "\ngpgcheck=0\n"
	default:
		text += l.p.URL + "\ngpgcheck=1\ngpgkey=file://" + keyFile + "\n"
		if err := l.t.WriteFile(ctx, keyFile, strings.NewReader(l.p.Key), 0o644); err != nil {
			return err
		}
	}
	return l.t.WriteFile(ctx, repoFile, strings.NewReader(text), 0o644)
}

// restore gives a shared guest its repositories back, also when ctx has ended.
func (l *layer) restore(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(float64(30*time.Second)*max(1, l.t.Scale())))
	defer cancel()
	if err := l.script(ctx, "bring the image's own repositories back", backScript); err != nil {
		l.t.Log("%v", err)
	}
}

func (l *layer) script(ctx context.Context, purpose, script string, args ...string) error {
	r, err := probe.Run(ctx, l.t, 0, script, args...)
	if err == nil && !r.OK() {
		err = fmt.Errorf("cannot %s: %s", purpose, r.Said())
	}
	return err
}
