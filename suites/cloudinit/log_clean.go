package cloudinit

import (
	"context"
	"regexp"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "log-clean", Title: "cloud-init's log has no warning, error or traceback", Run: logClean,
})

const logScript = need + `
[ -r /var/log/cloud-init.log ] || { echo '--none--'; exit 0; }
grep -n -E '\[(WARNING|ERROR|CRITICAL)\]|^Traceback ' /var/log/cloud-init.log | head -n 200
exit 0`

// benign are warnings that say nothing of the image, and why.
var benign = []*regexp.Regexp{
	// Wording of a seed that newer versions have a new word for.
	regexp.MustCompile(`\bDEPRECATED\b|deprecated (in|since)`),
	// netstat went out of use; cloud-init before 18.2 asks for it only to print a table.
	regexp.MustCompile(`(Route|Netdev) info failed`),
	// The root of an ostree host may be an image (composefs), which has no device;
	// whatever grows the disk beneath it, base/disk-grown sees whether it has grown.
	regexp.MustCompile(`Device '(/dev/)?(composefs(:[^']*)?|overlay\w*)' did not exist\. cannot resize`),
}

func logClean(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "cloud-init", logScript)
	if err != nil {
		return err
	}
	lines := probe.Lines(out)
	if len(lines) == 1 && lines[0] == "--none--" {
		return check.Skipf("cloud-init keeps no log in /var/log/cloud-init.log")
	}
	var bad []string
	for _, l := range lines {
		if !isBenign(l) {
			bad = append(bad, l)
		}
	}
	if len(bad) > 0 {
		return check.FailWith(out, "cloud-init's log has %d complaints; line %s", len(bad), probe.OneLine(bad[0]))
	}
	return nil
}

func isBenign(line string) bool {
	for _, re := range benign {
		if re.MatchString(line) {
			return true
		}
	}
	return false
}
