package scenario

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/artifact"
	"assay/release"
	"assay/release/sign/program"
)

// compose is a build as its build system announces it.
type compose struct {
	Seen     release.BuildSeen
	Packages []release.PackagesListed
}

// wanted are the artifacts of a stream.
func wanted(s release.Stream) []release.ArtifactID {
	if s == Stable {
		return []release.ArtifactID{qcow2}
	}
	return []release.ArtifactID{qcow2, arm}
}

// nightlyRef is what the build system calls a stream's tree.
func nightlyRef(s release.Stream, a artifact.Arch) string {
	return fmt.Sprintf("%s/%s/nightly", s, a)
}

// Compose makes every build of the ten weeks in dir: images, and commits in one
// ostree repository. Their bytes follow from their numbers alone.
func Compose(ctx context.Context, dir string) error {
	repo := filepath.Join(dir, "repo")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if _, err := program.Run(ctx, program.Command{Args: []string{"ostree", "init", "--repo=" + repo, "--mode=archive"}}); err != nil {
		return err
	}
	// What a power cut leaves of these builds is of no interest.
	if _, err := program.Run(ctx, program.Command{Args: []string{"ostree", "config", "--repo=" + repo, "set", "core.fsync", "false"}}); err != nil {
		return err
	}
	for _, d := range Weeks {
		for s, n := range map[release.Stream]Night{Main: d.Night, Stable: d.Signed} {
			if n.Kind != Made {
				continue
			}
			if err := composeOne(ctx, dir, s, d); err != nil {
				return fmt.Errorf("cannot make %s %s: %w", s, d.Build(), err)
			}
		}
	}
	return nil
}

func composeOne(ctx context.Context, dir string, s release.Stream, d Day) error {
	id := d.Build()
	made := d.at("02:40")
	if s == Stable {
		made = d.at("14:40")
	}
	c := compose{Seen: release.BuildSeen{Build: id, Compose: composeName(s, d), Created: made.UTC()}}
	for _, a := range wanted(s) {
		name := fmt.Sprintf("%s-%s.%s.%s", strings.ToUpper(string(s[:1]))+string(s[1:]), id, a.Arch(), a.Kind())
		content := bytes.Repeat([]byte(name+"\n"), 1000)
		to := filepath.Join(dir, string(s), string(id), name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, content, 0o644)); err != nil {
			return err
		}
		c.Seen.Artifacts = append(c.Seen.Artifacts, release.Artifact{ID: a, Name: name, Location: to, Digest: digestOf(content), Size: int64(len(content))})
		commit, err := commitTree(ctx, dir, s, a.Arch(), id, made)
		if err != nil {
			return err
		}
		c.Seen.Commits = append(c.Seen.Commits, commit)
		c.Packages = append(c.Packages, release.PackagesListed{Build: id, Arch: a.Arch(), Packages: manifest(d, a.Arch())})
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(composeFile(dir, s, id), b, 0o644)
}

func composeFile(dir string, s release.Stream, id release.BuildID) string {
	return filepath.Join(dir, string(s), string(id), "compose.json")
}

func readCompose(dir string, s release.Stream, id release.BuildID) (c compose, err error) {
	b, err := os.ReadFile(composeFile(dir, s, id))
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("nobody made %s %s: %w", s, id, err)
	}
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	return c, err
}

func composeName(s release.Stream, d Day) string {
	return fmt.Sprintf("%s-%s.n.0", s, d.Build().Date())
}

func digestOf(b []byte) artifact.Digest { return artifact.DigestOf(sha256.Sum256(b)) }

// commitTree commits a tree of which a part changes with each build.
func commitTree(ctx context.Context, dir string, s release.Stream, arch artifact.Arch, id release.BuildID, made time.Time) (release.Commit, error) {
	tree, repo, version := filepath.Join(dir, "tree-"+string(arch)), filepath.Join(dir, "repo"), "43."+string(id)
	for name, content := range map[string]string{
		"usr/lib/os-release": fmt.Sprintf("ID=atomic\nVERSION_ID=%s\n", version),
		"usr/bin/same":       strings.Repeat("the same in each build\n", 100),
	} {
		to := filepath.Join(tree, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, []byte(content), 0o644)); err != nil {
			return release.Commit{}, err
		}
	}
	ref := nightlyRef(s, arch)
	out, err := program.Run(ctx, program.Command{Args: []string{"ostree", "commit", "--repo=" + repo, "-b", ref, "--tree=dir=" + tree, "--owner-uid=0", "--owner-gid=0",
		"--timestamp=" + made.UTC().Format("2006-01-02 15:04:05 +0000"), "--add-metadata-string=version=" + version}})
	return release.Commit{Arch: arch, Ref: ref, Checksum: strings.TrimSpace(string(out)), Repo: repo, Version: version}, err
}

// manifest is what a build consists of: something changes every few days.
func manifest(d Day, arch artifact.Arch) []string {
	day := int(d.Date().Sub(Start).Hours()+12) / 24
	out := []string{
		fmt.Sprintf("kernel-6.17.%d-300.fc43.%s", 1+day/6, arch),
		fmt.Sprintf("podman-5.6.%d-1.fc43.%s", 1+day/9, arch),
		fmt.Sprintf("rpm-ostree-2026.%d-1.fc43.%s", 9+day/25, arch),
		fmt.Sprintf("systemd-258.%d-1.fc43.%s", 1+day/14, arch),
		"tzdata-2026c-1.fc43.noarch",
	}
	if day < 40 {
		out = append(out, "cockpit-350-1.fc43."+string(arch))
	}
	slices.Sort(out)
	return out
}
