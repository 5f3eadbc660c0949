package storage

import (
	"context"
	"strings"

	"assay/suites/check"
	"assay/suites/probe"
)

var _ = check.Register(suite, check.Check{
	Name: "lvm-layout", Title: "the host's volume group holds the root and the containers' volume, both in use", Run: lvmLayout,
})

// lvmScript prints volumes, what is mounted from them, the device that the host
// stands on, and the group that docker's storage setup works in. Of a volume that
// is mounted at several places lsblk tells one, which on an ostree host may be /var.
const lvmScript = `
command -v lvs >/dev/null 2>&1 || exit 127
lvs --noheadings --separator '|' -o vg_name,lv_name,lv_attr 2>/dev/null | sed 's/^ */lv /'
lsblk -n -r -o NAME,TYPE,MOUNTPOINT 2>/dev/null | sed -n 's/^\([^ ]*\) lvm *\(.*\)/mounted \1 \2/p'
at=/; [ -d /sysroot/ostree ] && at=/sysroot
findmnt -n -v -o SOURCE -T "$at" 2>/dev/null | tail -n 1 | sed 's|.*/|root |'
cat /etc/sysconfig/docker-storage-setup /etc/sysconfig/docker-storage 2>/dev/null | sed -n 's/^\([A-Z_]*\)=/conf \1=/p'
exit 0`

func lvmLayout(ctx context.Context, t *check.T) error {
	out, err := probe.Output(ctx, t, "LVM", lvmScript)
	if err != nil {
		return err
	}
	volumes, group, stands := map[string]string{}, "", ""
	mounts := map[string]string{}
	conf := map[string]string{}
	for _, l := range probe.Lines(out) {
		kind, rest, _ := strings.Cut(l, " ")
		switch kind {
		case "lv":
			f := strings.Split(rest, "|")
			// The group that has a volume named root is the host's own.
			if len(f) == 3 {
				volumes[f[0]+"/"+f[1]] = f[2]
				if f[1] == "root" {
					group = f[0]
				}
			}
		case "mounted":
			name, where, _ := strings.Cut(rest, " ")
			mounts[name] = where
		case "root":
			stands = rest
		case "conf":
			k, v, _ := strings.Cut(rest, "=")
			conf[k] = strings.Trim(v, `"'`)
		}
	}
	if group == "" {
		return check.Skipf("the root file system is on no logical volume")
	}
	root := deviceName(group, "root")
	if where := mounts[root]; stands != root && where != "/" && where != "/sysroot" && !strings.HasPrefix(where, "/sysroot/") {
		return check.FailWith(out, "volume %s/root is mounted on %q, not on / or /sysroot", group, where)
	}
	// With devicemapper there is a thin pool, with overlay a volume mounted below /var/lib/docker.
	switch {
	case strings.Contains(conf["DOCKER_STORAGE_OPTIONS"], "devicemapper"):
		for name, attr := range volumes {
			if strings.HasPrefix(name, group+"/") && strings.HasPrefix(attr, "t") {
				return nil
			}
		}
		return check.FailWith(out, "docker stores with devicemapper, and volume group %s has no thin pool", group)
	case conf["CONTAINER_ROOT_LV_NAME"] != "" || conf["DOCKER_ROOT_VOLUME"] == "yes":
		name := conf["CONTAINER_ROOT_LV_NAME"]
		if name == "" {
			name = "docker-root-lv"
		}
		if mounts[deviceName(group, name)] == "" {
			return check.FailWith(out, "volume %s/%s for containers is not mounted", group, name)
		}
	}
	return nil
}

// deviceName is device mapper's name of a volume: hyphens are doubled.
func deviceName(group, volume string) string {
	double := func(s string) string { return strings.ReplaceAll(s, "-", "--") }
	return double(group) + "-" + double(volume)
}
