package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"assay/suites/check"
)

// Info is what an engine says of itself. What it does not say is empty.
type Info struct {
	Version string
	// Driver is the storage driver, Root where it stores.
	Driver string
	Root   string
	// Status is the driver's own account: "Supports d_type": "true".
	Status map[string]string
	// Runtime is the OCI runtime's name, RuntimePath its program.
	Runtime     string
	RuntimePath string
	// CgroupVersion is "1" or "2", CgroupManager "systemd" or "cgroupfs".
	CgroupVersion string
	CgroupManager string
	// Seccomp and SELinux say whether containers get them, unless that is unknown.
	Seccomp, SELinux, SecurityUnknown bool
	// LiveRestore is docker's promise that containers outlive the daemon.
	LiveRestore bool
	// Mismatch names programs whose commit is not the one docker expects.
	Mismatch []string
}

// Info asks the engine. An engine that cannot say is the image's failure.
func (e Engine) Info(ctx context.Context) (Info, error) {
	args := []string{"info", "--format", "json"}
	if e.Name == Docker {
		args[2] = "{{json .}}"
	}
	r, err := e.Run(ctx, args...)
	if err != nil {
		return Info{}, err
	}
	if noFormat.MatchString(r.Stderr) {
		return Info{}, errNoFormat
	}
	if !r.OK() {
		return Info{}, check.FailWith(r.Stdout+r.Stderr, "%s info fails: %s", e.Name, said(r))
	}
	if e.Name == Docker {
		info, complaint, err := parseDockerInfo(r.Stdout)
		if err == nil && complaint != "" {
			return Info{}, check.FailWith(r.Stdout+r.Stderr, "docker info fails: %s", complaint)
		}
		return info, err
	}
	return parsePodmanInfo(r.Stdout)
}

// noFormat is how docker before 1.13 answers when asked for an account that programs can read.
var noFormat = regexp.MustCompile(`(?:unknown flag|flag provided but not defined): --format`)

var errNoFormat = check.Skipf("it does not describe itself for programs (docker before 1.13)")

// Facts is Info as it was first asked in this boot, for checks to which the
// answer and not the asking matters.
func (e Engine) Facts(ctx context.Context) (Info, error) {
	key := infoKey{e.t.Guest, e.Name, e.user, e.t.BootID()}
	if i, ok := remembered.info(key); ok {
		return i, nil
	}
	i, err := e.Info(ctx)
	if err == nil {
		remembered.setInfo(key, i)
	}
	return i, err
}

// parsePodmanInfo reads `podman info --format json`, of any version: keys have
// changed their case and place.
func parsePodmanInfo(text string) (Info, error) {
	var p struct {
		Host struct {
			CgroupVersion string `json:"cgroupVersion"`
			CgroupManager string `json:"cgroupManager"`
			OCIRuntime    struct {
				Name, Path string
			} `json:"ociRuntime"`
			Security *struct {
				Seccomp bool `json:"seccompEnabled"`
				SELinux bool `json:"selinuxEnabled"`
			} `json:"security"` // since 3.0
		} `json:"host"`
		Store struct {
			Driver string          `json:"graphDriverName"`
			Root   string          `json:"graphRoot"`
			Status json.RawMessage `json:"graphStatus"`
		} `json:"store"`
		Version struct {
			Version string `json:"Version"`
		} `json:"version"`
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return Info{}, fmt.Errorf("cannot read podman's info: %w", err)
	}
	i := Info{
		Version: p.Version.Version, Driver: p.Store.Driver, Root: p.Store.Root, Status: map[string]string{},
		Runtime: p.Host.OCIRuntime.Name, RuntimePath: p.Host.OCIRuntime.Path,
		CgroupVersion: strings.TrimPrefix(p.Host.CgroupVersion, "v"), CgroupManager: p.Host.CgroupManager,
	}
	if s := p.Host.Security; s != nil {
		i.Seccomp, i.SELinux = s.Seccomp, s.SELinux
	} else {
		i.SecurityUnknown = true
	}
	var status map[string]any
	if json.Unmarshal(p.Store.Status, &status) == nil {
		for k, v := range status {
			i.Status[k] = fmt.Sprint(v)
		}
	}
	return i, nil
}

// parseDockerInfo reads `docker info --format '{{json .}}'`. A client that
// cannot reach the daemon prints an object all the same; complaint says why.
func parseDockerInfo(text string) (i Info, complaint string, err error) {
	type commit struct{ ID, Expected string }
	var d struct {
		ServerVersion, Driver, DockerRootDir string
		DriverStatus                         [][]string
		DefaultRuntime                       string
		Runtimes                             map[string]struct {
			Path string `json:"path"`
		}
		CgroupDriver, CgroupVersion              string
		SecurityOptions                          []string
		LiveRestoreEnabled                       bool
		RuncCommit, ContainerdCommit, InitCommit commit
		ServerErrors                             []string
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return Info{}, "", fmt.Errorf("cannot read docker's info: %w", err)
	}
	i = Info{
		Version: d.ServerVersion, Driver: d.Driver, Root: d.DockerRootDir, Status: map[string]string{},
		Runtime: d.DefaultRuntime, RuntimePath: d.Runtimes[d.DefaultRuntime].Path,
		CgroupVersion: d.CgroupVersion, CgroupManager: d.CgroupDriver, LiveRestore: d.LiveRestoreEnabled,
	}
	if i.CgroupVersion == "" && i.Driver != "" {
		i.CgroupVersion = "1" // daemons that do not say know no other
	}
	for _, pair := range d.DriverStatus {
		if len(pair) == 2 {
			i.Status[pair[0]] = pair[1]
		}
	}
	for _, o := range d.SecurityOptions {
		o = strings.TrimPrefix(o, "name=")
		name, _, _ := strings.Cut(o, ",")
		i.Seccomp = i.Seccomp || name == "seccomp"
		i.SELinux = i.SELinux || name == "selinux"
	}
	for name, c := range map[string]commit{"runc": d.RuncCommit, "containerd": d.ContainerdCommit, "init": d.InitCommit} {
		// Distributions built docker 1 with programs of their own, and let it differ.
		if !strings.HasPrefix(d.ServerVersion, "1.") && c.Expected != "" && c.ID != c.Expected && c.ID != "" && c.ID != "N/A" {
			i.Mismatch = append(i.Mismatch, fmt.Sprintf("%s is %s, not %s", name, c.ID, c.Expected))
		}
	}
	return i, strings.Join(d.ServerErrors, "; "), nil
}
