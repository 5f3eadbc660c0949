package engine

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/reports"
	"assay/suites/check"
)

const podmanText = `{"host":{"cgroupManager":"systemd","cgroupVersion":"v2","ociRuntime":{"name":"crun","path":"/usr/bin/crun"},
"security":{"seccompEnabled":true,"selinuxEnabled":false}},"store":{"graphDriverName":"overlay","graphRoot":"/var/lib/containers/storage",
"graphStatus":{"Supports d_type":"true"}},"version":{"Version":"5.4.2"}}`

const dockerText = `{"ServerVersion":"27.0","Driver":"overlay2","DockerRootDir":"/var/lib/docker","DriverStatus":[["Supports d_type","true"]],
"DefaultRuntime":"runc","Runtimes":{"runc":{"path":"runc"}},"CgroupDriver":"systemd","CgroupVersion":"2",
"SecurityOptions":["name=seccomp,profile=builtin","name=selinux"],"LiveRestoreEnabled":true,
"RuncCommit":{"ID":"v1.1","Expected":"v1.2"},"ContainerdCommit":{"ID":"a","Expected":"a"}}`

func TestInfo(t *testing.T) {
	ctx := context.Background()
	ct, g := newT(t, "")
	asked := g.On("podman", "info", "--format", "json").Prints(podmanText)
	podman := Engine{Name: Podman, t: ct}
	for range 2 {
		i, err := podman.Facts(ctx)
		if err != nil || i.Driver != "overlay" || i.Root != "/var/lib/containers/storage" || i.Runtime != "crun" || i.RuntimePath != "/usr/bin/crun" ||
			i.CgroupVersion != "2" || i.CgroupManager != "systemd" || !i.Seccomp || i.SELinux || i.Version != "5.4.2" || i.Status["Supports d_type"] != "true" {
			t.Fatalf("podman: %+v, %v", i, err)
		}
	}
	if asked.Used() != 1 {
		t.Errorf("podman was asked %d times for facts", asked.Used())
	}
	g.On("docker", "info", "--format", "{{json .}}").Prints(dockerText)
	docker := Engine{Name: Docker, t: ct}
	i, err := docker.Info(ctx)
	if err != nil || i.Driver != "overlay2" || i.Runtime != "runc" || i.RuntimePath != "runc" || i.CgroupVersion != "2" || !i.Seccomp || !i.SELinux || !i.LiveRestore ||
		len(i.Mismatch) != 1 || !strings.Contains(i.Mismatch[0], "runc is v1.1, not v1.2") {
		t.Fatalf("docker: %+v, %v", i, err)
	}
	g.On("docker", "info", "--format", "{{json .}}").Prints(`{"ServerErrors":["Cannot connect to the Docker daemon"]}`)
	if _, err := docker.Info(ctx); check.Classify(err).Outcome != reports.Failed || !strings.Contains(err.Error(), "Cannot connect") {
		t.Errorf("docker without its daemon: %v", err)
	}
	g.On("podman", "info", "--format", "json").Exits(125).Says("Error: default OCI runtime \"crun\" not found: invalid argument\n")
	if _, err := podman.Info(ctx); check.Classify(err).Outcome != reports.Failed || !strings.Contains(err.Error(), "crun") {
		t.Errorf("podman without its runtime: %v", err)
	}
	g.On("podman", "info", "--format", "json").Prints("no")
	if _, err := podman.Info(ctx); check.Classify(err).Fault != reports.FaultTest {
		t.Errorf("podman that says no JSON: %v", err)
	}
}

// Files that are no JSON (excerpts with words of their author) are refused;
// from all others the driver is read.
func TestInfoOfRealSystems(t *testing.T) {
	root := os.Getenv("ASSAY_SAMPLES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "samples")
	}
	read := 0
	for folder, parse := range map[string]func(string) (Info, error){
		"podman/info-json": parsePodmanInfo,
		"docker/info-json": func(s string) (Info, error) { i, _, err := parseDockerInfo(s); return i, err },
	} {
		files, _ := filepath.Glob(filepath.Join(root, folder, "*.json"))
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			read++
			i, err := parse(string(b))
			if json.Valid(b) != (err == nil) || err == nil && (i.Driver == "" || i.Root == "") {
				t.Errorf("%s: %+v, %v", filepath.Base(f), i, err)
			}
		}
	}
	if read == 0 {
		t.Skip("0 samples of container engines in ASSAY_SAMPLES")
	}
}

func FuzzInfo(f *testing.F) {
	f.Add(podmanText)
	f.Add(dockerText)
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = parsePodmanInfo(text)
		_, _, _ = parseDockerInfo(text)
	})
}
