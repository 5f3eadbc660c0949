package cloudinit

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "datasource", Title: "cloud-init used the seed it was given, under the seed's instance id", Run: datasource,
})

const datasourceScript = need + `
echo "instance=$(cat /var/lib/cloud/data/instance-id 2>/dev/null)"
echo '--status--'
cat /run/cloud-init/status.json 2>/dev/null || cat /var/lib/cloud/data/status.json 2>/dev/null
exit 0`

func datasource(ctx context.Context, t *check.T) error {
	if t.Env.InstanceID == "" {
		return check.Skipf("the guest was given no seed")
	}
	out, err := probe.Output(ctx, t, "cloud-init", datasourceScript)
	if err != nil {
		return err
	}
	head, text, _ := strings.Cut(out, "--status--")
	instance := probe.Pairs(head)["instance"]
	if strings.TrimSpace(text) == "" {
		return check.Failf("cloud-init says nothing of its data source: it never started (are its units enabled?)")
	}
	a, err := parseAccount(text)
	if err != nil {
		return err
	}
	source := a.Datasource
	switch {
	case source == "" || strings.HasPrefix(source, "DataSourceNone"):
		return check.FailWith(text, "cloud-init did not see the seed: it found no data source (is NoCloud or ConfigDrive in datasource_list?)")
	case !strings.Contains(source, "NoCloud") && !strings.Contains(source, "ConfigDrive") &&
		!strings.Contains(source, "OpenStack") && !strings.Contains(source, "Ec2"):
		return check.FailWith(text, "cloud-init used %s, not the seed it was given", source)
	case instance != t.Env.InstanceID:
		return check.FailWith(out, "cloud-init took the instance id %q, not the seed's %q: it read another seed (%s)", instance, t.Env.InstanceID, source)
	}
	return nil
}
