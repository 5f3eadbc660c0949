package storage

import (
	"testing"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
	"assay/reports"
	"assay/suites/check"
	"assay/suites/engine"
	"assay/suites/suitetest"
)

// info is what podman says of itself, with that driver, root and status.
func info(driver, root, status string) string {
	return `{"host":{"ociRuntime":{"name":"crun"}},"store":{"graphDriverName":"` + driver + `","graphRoot":"` + root + `","graphStatus":{` + status + `}}}`
}

const graph = "/var/lib/containers/storage"

// with is a guest with podman that says this of itself, and a script that prints out.
func with(podmanInfo, script, out string) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, _ *check.Env) {
		g.On("sh", "-c", engine.DetectScript, "sh").Prints("podman\n")
		g.On("podman", "info", "--format", "json").Prints(podmanInfo)
		if script != "" {
			g.On("sh", "-c", script, guesttest.Rest).Prints(out)
		}
	}
}

// says is a guest whose script prints out.
func says(script, out string) func(*guesttest.Fake, *check.Env) {
	return func(g *guesttest.Fake, _ *check.Env) {
		g.On("sh", "-c", script, guesttest.Rest).Prints(out)
		g.Logs(guest.Entry{Unit: "docker-storage-setup.service", Message: "Started Docker Storage Setup."})
	}
}

func lacks(script string) suitetest.Case {
	return suitetest.Case{Name: "not shipped", Want: reports.Skipped, Says: []string{"ships no"},
		Guest: func(g *guesttest.Fake, _ *check.Env) { g.On("sh", "-c", script, guesttest.Rest).Exits(127) }}
}

var no = suitetest.Case{Name: "no engine", Want: reports.Skipped, Says: []string{"no container engine"},
	Guest: func(g *guesttest.Fake, _ *check.Env) { g.On("sh", "-c", engine.DetectScript, "sh") }}

func TestDriver(t *testing.T) {
	docker := func(driver, conf string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) {
			g.On("sh", "-c", engine.DetectScript, "sh").Prints("docker\n")
			g.On("docker", "info", guesttest.Rest).Prints(`{"Driver":"` + driver + `","DockerRootDir":"/var/lib/docker"}`)
			g.On("sh", "-c", configScript, "sh", "docker").Prints(conf)
		}
	}
	suitetest.Run(t, "storage/driver", []suitetest.Case{
		{Name: "overlay", Guest: with(info("overlay", graph, ""), configScript, "driver=overlay\n")},
		{Name: "own choice", Guest: with(info("overlay", graph, ""), configScript, "")},
		{Name: "vfs", Want: reports.Failed, Says: []string{"podman: the storage driver is vfs", "overlay is the one to use"}, Guest: with(info("vfs", graph, ""), configScript, "driver=vfs\n")},
		{Name: "another than configured", Want: reports.Failed, Says: []string{"in use is vfs, the configured one overlay"}, Guest: with(info("vfs", graph, ""), configScript, "driver=btrfs\ndriver=overlay\n")},
		{Name: "none", Want: reports.Failed, Says: []string{"names no storage driver"}, Guest: with("{}", configScript, "")},
		{Name: "docker by storage setup", Guest: docker("devicemapper", "driver=devicemapper\njson=\n")},
		{Name: "docker's overlay2", Guest: docker("overlay2", `json={"storage-driver": "overlay"}`)},
		{Name: "docker with containerd's images", Guest: docker("overlayfs", "json=\n")},
		{Name: "docker otherwise", Want: reports.Failed, Says: []string{"docker: ", "in use is overlay2, the configured one devicemapper"},
			Guest: docker("overlay2", `driver=overlay2`+"\n"+`json={"storage-driver": "devicemapper"}`)},
		{Name: "engine and configuration are broken", Want: reports.Failed, Says: []string{"the configured storage driver is vfs"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			with("", configScript, "driver=vfs\n")(g, e)
			g.On("podman", "info", guesttest.Rest).Exits(125).Says("Error: x\n")
		}},
		{Name: "engine is broken", Want: reports.Failed, Says: []string{"podman info fails: Error: x"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			with("", configScript, "")(g, e)
			g.On("podman", "info", guesttest.Rest).Exits(125).Says("Error: x\n")
		}},
		no,
	})
}

func TestGraphroot(t *testing.T) {
	ok := info("overlay", graph, "")
	suitetest.Run(t, "storage/graphroot", []suitetest.Case{
		{Name: "local", Guest: with(ok, rootScript, "dir="+graph+"\ntype=ext4\nfree=6000000\nwritable=1\n")},
		{Name: "in memory", Want: reports.Failed, Says: []string{"stored in " + graph + ", on tmpfs"}, Guest: with(ok, rootScript, "type=tmpfs\nfree=6000000\nwritable=1\n")},
		{Name: "read-only", Want: reports.Failed, Says: []string{"nothing can be written", "(/var)"}, Guest: with(ok, rootScript, "dir=/var\ntype=xfs\nfree=6000000\n")},
		{Name: "full", Want: reports.Failed, Says: []string{"only 97 MiB"}, Guest: with(ok, rootScript, "type=xfs\nfree=100000\nwritable=1\n")},
		{Name: "nowhere", Want: reports.Failed, Says: []string{"names no storage folder"}, Guest: with("{}", "", "")},
		{Name: "no answer", Want: reports.Errored, Fault: reports.FaultTest, Guest: with(ok, rootScript, "")},
		no,
	})
}

func TestOverlayFeatures(t *testing.T) {
	suitetest.Run(t, "storage/overlay-features", []suitetest.Case{
		{Name: "good", Guest: with(info("overlay", graph, `"Supports d_type":"true","Using metacopy":"false"`), "", "")},
		{Name: "no types", Want: reports.Failed, Says: []string{"(xfs)", "ftype=1"}, Guest: with(info("overlay", graph, `"Supports d_type":"false","Backing Filesystem":"xfs"`), "", "")},
		{Name: "another driver", Want: reports.Skipped, Says: []string{"btrfs"}, Guest: with(info("btrfs", graph, ""), "", "")},
		no,
	})
}

func TestDevicemapper(t *testing.T) {
	says := func(status string) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, _ *check.Env) {
			g.On("sh", "-c", engine.DetectScript, "sh").Prints("docker\n")
			g.On("docker", "info", guesttest.Rest).Prints(`{"Driver":"devicemapper","DriverStatus":[` + status + `]}`)
		}
	}
	// As docker 1.9 says it on a host that docker-storage-setup prepared.
	const good = `["Pool Name","rhel-docker--pool"],["Data file",""],["Data Space Available","3.813 GB"],["Metadata Space Available","8.348 MB"],["Udev Sync Supported","true"]`
	suitetest.Run(t, "storage/devicemapper", []suitetest.Case{
		{Name: "thin pool", Guest: says(good)},
		{Name: "loop files", Want: reports.Failed, Says: []string{"loop files (/var/lib/docker/devicemapper/devicemapper/data)"}, Guest: says(good + `,["Data loop file","/var/lib/docker/devicemapper/devicemapper/data"]`)},
		{Name: "no pool", Want: reports.Failed, Says: []string{"names no thin pool"}, Guest: says(`["Udev Sync Supported","true"]`)},
		{Name: "without udev", Want: reports.Failed, Says: []string{"not in step with udev"}, Guest: says(good + `,["Udev Sync Supported","false"]`)},
		{Name: "full", Want: reports.Failed, Says: []string{"rhel-docker--pool has no room (Data Space Available: 0 B)"}, Guest: says(good + `,["Data Space Available","0 B"]`)},
		{Name: "no metadata left", Want: reports.Failed, Says: []string{"(Metadata Space Available: 0B)"}, Guest: says(good + `,["Metadata Space Available","0B"]`)},
		{Name: "another driver", Want: reports.Skipped, Says: []string{"overlay"}, Guest: with(info("overlay", graph, ""), "", "")},
		no,
	})
}

func TestSetupUnit(t *testing.T) {
	const unit = "unit=docker-storage-setup.service\n"
	suitetest.Run(t, "storage/setup-unit", []suitetest.Case{
		{Name: "done", Guest: says(setupScript, unit+"UnitFileState=enabled\nActiveState=inactive\nResult=success\nExecMainStartTimestampMonotonic=77\n")},
		{Name: "done at the first boot", Guest: says(setupScript, unit+"UnitFileState=enabled\nActiveState=inactive\nResult=success\nExecMainStartTimestampMonotonic=0\n")},
		{Name: "failed", Want: reports.Failed, Says: []string{"docker-storage-setup.service failed: result exit-code"}, Guest: says(setupScript, unit+"ActiveState=failed\nResult=exit-code\n")},
		{Name: "did not run", Want: reports.Failed, Says: []string{"did not run"}, Guest: func(g *guesttest.Fake, e *check.Env) {
			says(setupScript, unit+"UnitFileState=enabled\nActiveState=inactive\nResult=success\nExecMainStartTimestampMonotonic=0\n")(g, e)
			g.Logs()
		}},
		{Name: "disabled", Want: reports.Skipped, Guest: says(setupScript, unit+"UnitFileState=disabled\nActiveState=inactive\nResult=success\n")},
		lacks(setupScript),
	})
}

func TestLVMLayout(t *testing.T) {
	const host = "lv atomicos|root|-wi-ao----\nmounted atomicos-root /sysroot\n"
	suitetest.Run(t, "storage/lvm-layout", []suitetest.Case{
		{Name: "root alone", Guest: says(lvmScript, host)},
		{Name: "thin pool", Guest: says(lvmScript, host+"lv atomicos|docker-pool|twi-a-t---\nconf DOCKER_STORAGE_OPTIONS=\"--storage-driver devicemapper\"\n")},
		{Name: "volume", Guest: says(lvmScript, host+"mounted atomicos-docker--root--lv /var/lib/docker\nconf DOCKER_ROOT_VOLUME=yes\n")},
		{Name: "no thin pool", Want: reports.Failed, Says: []string{"atomicos has no thin pool"}, Guest: says(lvmScript, host+"conf DOCKER_STORAGE_OPTIONS=\"--storage-driver devicemapper\"\n")},
		{Name: "volume not mounted", Want: reports.Failed, Says: []string{"atomicos/docker-root-lv", "not mounted"}, Guest: says(lvmScript, host+"conf CONTAINER_ROOT_LV_NAME=docker-root-lv\n")},
		{Name: "root elsewhere", Want: reports.Failed, Says: []string{`mounted on "/mnt"`}, Guest: says(lvmScript, "lv atomicos|root|-wi-ao----\nmounted atomicos-root /mnt\n")},
		{Name: "root mounted here and there", Guest: says(lvmScript, "lv atomicos|root|-wi-ao----\nmounted atomicos-root /var\nroot atomicos-root\n")},
		{Name: "host on a partition", Want: reports.Failed, Says: []string{`mounted on "/mnt"`}, Guest: says(lvmScript, "lv atomicos|root|-wi-ao----\nmounted atomicos-root /mnt\nroot vda4\n")},
		{Name: "no volumes", Want: reports.Skipped, Guest: says(lvmScript, "root vda4\n")},
		lacks(lvmScript),
	})
}

func TestResizeRoot(t *testing.T) {
	suitetest.Run(t, "storage/resize-root", []suitetest.Case{
		{Name: "grows", Guest: says(resizeScript, "before=3000000\nstatus=0\nafter=3260000\nstate=running\n")},
		{Name: "fails", Want: reports.Failed, Says: []string{"lvextend -r", "fsadm failed"}, Guest: says(resizeScript, "before=3000000\n  fsadm failed: 3\nstatus=5\nafter=3000000\n")},
		{Name: "volume alone", Want: reports.Failed, Says: []string{"did not grow"}, Guest: says(resizeScript, "before=3000000\nstatus=0\nafter=3000000\nstate=running\n")},
		{Name: "hurts", Want: reports.Failed, Says: []string{"degraded"}, Guest: says(resizeScript, "before=1\nstatus=0\nafter=2\nstate=degraded\n")},
		lacks(resizeScript),
	})
}

func TestAcrossReboot(t *testing.T) {
	guestWith := func(change func(g *guesttest.Fake)) func(*guesttest.Fake, *check.Env) {
		return func(g *guesttest.Fake, e *check.Env) {
			with(info("overlay", graph, ""), "", "")(g, e)
			g.On("podman", "image", "inspect", guesttest.Rest).Prints("sha256:x\n")
			g.On("podman", "run", "--name", keptContainer, guesttest.Rest).Prints("kept\n")
			g.On("podman", "start", "-a", keptContainer).Prints("kept\nkept\n")
			g.OnReboot(func() error { change(g); return nil })
		}
	}
	suitetest.Run(t, "storage/across-reboot", []suitetest.Case{
		{Name: "kept", Guest: guestWith(func(*guesttest.Fake) {})},
		{Name: "another driver", Want: reports.Failed, Says: []string{"storage was overlay", "is vfs"}, Guest: guestWith(func(g *guesttest.Fake) {
			g.On("podman", "info", guesttest.Rest).Prints(info("vfs", graph, ""))
		})},
		{Name: "image gone", Want: reports.Failed, Says: []string{"gone after a reboot"}, Guest: guestWith(func(g *guesttest.Fake) {
			g.On("podman", "image", "inspect", guesttest.Rest).Exits(125).Says("Error: no such image\n")
		})},
		{Name: "content gone", Want: reports.Failed, Says: []string{`it holds "kept"`}, Guest: guestWith(func(g *guesttest.Fake) {
			g.On("podman", "start", "-a", keptContainer).Prints("kept\n")
		})},
		no,
	})
}
