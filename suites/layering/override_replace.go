package layering

import (
	"context"
	"slices"
	"strings"
	"time"

	"assay/harness/host"
	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "override-replace", Title: "a package of the base can be replaced by a file, and a reset of all brings it back",
	Isolated: true, Labels: []string{"reboot"}, Limit: 8 * time.Minute, Run: overrideReplace,
})

// fetchScript gets the package at $1 as file $2 with whatever the image has for that.
const fetchScript = `mkdir -p "${2%/*}" || exit 1
if command -v curl >/dev/null 2>&1; then curl -sSf -o "$2" "$1"
elif command -v wget >/dev/null 2>&1; then wget -q -O "$2" "$1"
elif command -v python3 >/dev/null 2>&1; then python3 -c 'import sys, urllib.request; urllib.request.urlretrieve(sys.argv[1], sys.argv[2])' "$1" "$2"
else exit 127
fi`

// fetch brings a package's file into the guest and returns its path.
func (l *layer) fetch(ctx context.Context, purpose string) (string, error) {
	path := "/var/tmp/assay/" + l.p.Files[purpose]
	r, err := probe.Run(ctx, l.t, time.Minute, fetchScript, l.p.URL+"Packages/"+l.p.Files[purpose], path)
	switch {
	case err != nil:
		return "", err
	case r.Exit == probe.Missing:
		return "", check.Skipf("the image ships none of curl, wget, python3")
	case !r.OK():
		return "", check.Infraf("cannot bring package %s into the guest: %s", l.p.Files[purpose], probe.OneLine(r.Said()))
	}
	return path, nil
}

func overrideReplace(ctx context.Context, t *check.T) error {
	l, err := begin(ctx, t, overriders, greetingNext)
	if err != nil {
		return err
	}
	name := l.name(greetingNext)
	r, err := l.rpm(ctx, "-q", name)
	if err != nil {
		return err
	}
	if !r.OK() {
		return check.Skipf("the base has no package %s, the only one that there is a newer version of", name)
	}
	before := r.Line()
	was, err := l.booted(ctx)
	if err != nil {
		return err
	}
	path, err := l.fetch(ctx, greetingNext)
	if err != nil {
		return err
	}
	o, err := l.d.Override(ctx, host.OverrideOptions{Replace: []string{path}})
	if err := l.did("replace "+name+" of the base", o, err); err != nil {
		return err
	}
	now, err := l.overridden(ctx, was, "replaced "+name)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(now.Replaced, func(r host.Replacement) bool { return r.Name == name || strings.HasPrefix(r.Name, name+"-") }) {
		return check.Failf("%s status does not list %s as replaced; it lists %d others", l.d.Tool(), name, len(now.Replaced))
	}
	if r, err = l.rpm(ctx, "-q", name); err != nil {
		return err
	}
	if want := strings.TrimSuffix(l.p.Files[greetingNext], ".rpm"); r.Line() != want {
		return check.Failf("%s was replaced by %s and booted, and rpm -q says %q (before: %q)", name, want, probe.OneLine(r.Said()), before)
	}
	return l.reset(ctx, was, host.OverrideOptions{ResetAll: true})
}
