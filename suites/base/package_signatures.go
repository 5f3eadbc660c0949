package base

import (
	"context"
	"sort"
	"strings"
	"time"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "package-signatures", Title: "every package is signed and all are of one vendor", Advisory: true, Run: packageSignatures,
	Limit: 2 * time.Minute,
})

// signatureScript prints name, vendor and whether a signature is there, with
// whatever tag this version of rpm keeps it in.
const signatureScript = `
command -v rpm >/dev/null 2>&1 || exit 127
old='%|DSAHEADER?{y}:{%|RSAHEADER?{y}:{%|SIGGPG?{y}:{%|SIGPGP?{y}:{n}|}|}|}|'
rpm -qa --qf "%{NAME}\t%{VENDOR}\t%|OPENPGP?{y}:{$old}|\n" 2>/dev/null ||
	rpm -qa --qf "%{NAME}\t%{VENDOR}\t$old\n"`

func packageSignatures(ctx context.Context, t *check.T) error {
	out, err := probe.OutputWithin(ctx, t, time.Minute, "rpm", signatureScript)
	if err != nil {
		return err
	}
	var unsigned []string
	vendors := map[string][]string{}
	for _, l := range probe.Lines(out) {
		f := strings.Split(l, "\t")
		if len(f) != 3 || f[0] == "gpg-pubkey" {
			continue
		}
		if f[2] != "y" {
			unsigned = append(unsigned, f[0])
		}
		vendors[f[1]] = append(vendors[f[1]], f[0])
	}
	switch {
	case len(vendors) == 0:
		return check.Skipf("rpm lists no package")
	case len(unsigned) > 0:
		return check.FailWith(strings.Join(unsigned, "\n"), "%d packages carry no signature: %s", len(unsigned), probe.Some(unsigned))
	}
	most := ""
	for v, of := range vendors {
		if most == "" || len(of) > len(vendors[most]) || len(of) == len(vendors[most]) && v < most {
			most = v
		}
	}
	var strange []string
	for v, of := range vendors {
		if v != most {
			for _, name := range of {
				strange = append(strange, name+" ("+v+")")
			}
		}
	}
	sort.Strings(strange)
	if len(strange) > 0 {
		return check.FailWith(strings.Join(strange, "\n"), "%d packages are not of %s: %s", len(strange), most, probe.Some(strange))
	}
	return nil
}
