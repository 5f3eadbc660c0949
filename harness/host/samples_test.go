package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/harness/guest"
)

// eachSample runs check on each file of a folder of real outputs, by its name.
// An absent folder is a skip that says so.
func eachSample(t *testing.T, folder string, check func(t *testing.T, name, text string)) {
	t.Helper()
	root := os.Getenv("ASSAY_SAMPLES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "samples")
	}
	t.Run(strings.ReplaceAll(folder, "/", "-"), func(t *testing.T) {
		files, err := filepath.Glob(filepath.Join(root, folder, "*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Skipf("0 samples in %s (ASSAY_SAMPLES says where they are)", folder)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			check(t, filepath.Base(f), string(b))
		}
	})
}

// A status of a real system is read: one deployment is booted, each has what it
// follows and a commit or an image, but for those named here.
func TestStatusOfRealSystems(t *testing.T) {
	notBooted := map[string]bool{"centos-bootc-9-container-staged-no-origin.json": true, "spec-staged-rollback.yaml": true}
	noOrigin := map[string]bool{"rhcos-two-stateroots-after-set-default-1.txt": true, "fedora-iot-44-v1-image-null.json": true, "bootc-staged_spec.txt": true}
	marked := map[string]string{
		"torizon7-pending.txt": "P B", "torizon7-rollback.txt": "B R", "rhcos-two-stateroots-after-set-default-1.txt": "- B",
		"dustymabe-2014-11-18-l153-status.txt": "P B", "dustymabe-2014-11-18-l207-status.txt": "P B", "rhel-7.1.1-pending.txt": "P B",
		"atomic-site-2017-06-05-l127-status.txt": "P B R", "fedora-iot-40-39-three-deployments-pinned.txt": "B R p", "fedora-iot-44-booted-rollback.json": "B R",
		"centos-bootc-9-container-staged-no-origin.json": "SP", "spec-booted-pinned.yaml": "Bp p", "spec-staged-download-only.yaml": "SD B",
		"spec-staged-rollback.yaml": "SP R", "fedora-iot-44-v1-image-null.json": "B R",
	}
	for folder, parse := range map[string]func(string) (Status, error){
		"rpm-ostree/status-json":  func(s string) (Status, error) { return ParseRPMOSTreeJSON([]byte(s)) },
		"rpm-ostree/status-text":  ParseRPMOSTreeText,
		"atomic-host/status-text": ParseRPMOSTreeText,
		"bootc/status":            func(s string) (Status, error) { return ParseBootc([]byte(s)) },
		"bootc/status-text":       ParseBootcText,
		"ostree/admin-status":     ParseOSTree,
	} {
		eachSample(t, folder, func(t *testing.T, name, text string) {
			s, err := parse(text)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			if _, err := s.Booted(); (err == nil) == notBooted[name] {
				t.Errorf("%s: booted: %v", name, err)
			}
			for i, d := range s.Deployments {
				if d.BaseChecksum == "" && d.Image == nil || d.Origin == "" && d.Image == nil && !noOrigin[name] {
					t.Errorf("%s: deployment %d: %+v", name, i, d)
				}
			}
			if want := marked[name]; want != "" && marks(s) != want {
				t.Errorf("%s: %s; want %s", name, marks(s), want)
			}
		})
	}
}

// What ostree prints elsewhere is no status.
func TestOtherOutputIsNoStatus(t *testing.T) {
	for _, folder := range []string{"ostree/admin-other", "ostree/log", "ostree/other", "ostree/show", "rpm-ostree/errors", "rpm-ostree/ops-text", "atomic-host/ops-text", "greenboot", "atomic-cli/text"} {
		eachSample(t, folder, func(t *testing.T, name, text string) {
			for tool, err := range map[string]error{"ostree": errOf(ParseOSTree(text)), "rpm-ostree": errOf(ParseRPMOSTreeText(text)),
				"rpm-ostree (JSON)": errOf(ParseRPMOSTreeJSON([]byte(text))), "bootc": errOf(ParseBootc([]byte(text))), "bootc (text)": errOf(ParseBootcText(text))} {
				if err == nil || !strings.HasPrefix(err.Error(), "cannot read ") {
					t.Errorf("%s as a status of %s: %v", name, tool, err)
				}
			}
		})
	}
}

func errOf(_ Status, err error) error { return err }

func TestErrorsOfRealSystems(t *testing.T) {
	want := map[string]Reason{
		"install-already-provided.txt": InactiveRequest, "install-conflicting-requests-vim-default-editor.txt": Conflict, "mcd-packages-not-found-crc.txt": UnknownPackage,
		"requires-root.txt": NotPrivileged, "transaction-in-progress-upgrade-check-only.txt": Busy, "transaction-in-progress.txt": Busy,
		"upgrade-depsolve-hyprland-wayland.txt": Conflict, "upgrade-depsolve-kmod-v4l2loopback.txt": Conflict,
	}
	eachSample(t, "rpm-ostree/errors", func(t *testing.T, name, text string) {
		if got := ReasonOf(text); got == "" || want[name] != "" && got != want[name] {
			t.Errorf("%s: %q; want %q", name, got, want[name])
		}
		delete(want, name)
	})
	if !t.Failed() && len(want) > 0 {
		t.Logf("not there: %v", want)
	}
}

// changes counts a diff: upgraded, downgraded, changed, added, removed.
func changes(d Diff) string {
	return fmt.Sprint(len(d.Upgraded), len(d.Downgraded), len(d.Changed), len(d.Added), len(d.Removed))
}

// Operations of real systems: what is told of packages is counted, nothing to do
// is seen, and what is known of neither changes and tells nothing.
func TestOperationsOfRealSystems(t *testing.T) {
	type said struct {
		reason  Reason
		changes string
	}
	want := map[string]said{
		"atomic-site-2017-02-10-l75-upgrade.txt":                               {NoUpgrade, "0 0 0 0 0"},
		"photon1-upgrade-no-upgrade-available.txt":                             {NoUpgrade, "0 0 0 0 0"},
		"centos-upgrade-no-upgrade-available.txt":                              {NoUpgrade, "0 0 0 0 0"},
		"atomic-site-2015-09-28-l104-rebase-f22-test-fedora-atomic-f22-x8.txt": {"", "0 0 0 1 1"},
		"atomic-site-2015-09-28-l462-rebase-f22-ostree-testing-fedora-ato.txt": {"", "0 0 2 0 2"},
		"atomic-site-2017-06-05-l57-install-ltrace.txt":                        {"", "0 0 0 1 0"},
		"atomic-site-2017-07-25-l175-ex-override-replace-strace-4.18-1.fc.txt": {"", "1 0 0 0 0"},
		"dustymabe-2017-09-01-l256-upgrade.txt":                                {"", "38 0 0 1 0"},
		"dustymabe-2017-09-02-l205-ex-override-remove-strace.txt":              {"", "0 0 0 1 1"},
		"dustymabe-2017-09-02-l419-ex-override-reset-strace-docker-rhel.txt":   {"", "0 3 0 1 0"},
		"f24-rollback-24.81-to-24.39.txt":                                      {"", "0 0 205 15 18"},
		"photon1-upgrade-check-diff.txt":                                       {"", "0 0 0 3 0"},
		"f22-upgrade-again-nothing-fetched.txt":                                {"", "0 0 6 6 4"},
		"rhel-7.1-upgrade-with-removed.txt":                                    {"", "0 0 7 0 7"},
		"rhel-7.1.244-upgrade-to-7.1.0.txt":                                    {"", "0 0 14 0 0"},
	}
	for _, folder := range []string{"rpm-ostree/ops-text", "atomic-host/ops-text"} {
		eachSample(t, folder, func(t *testing.T, name, text string) {
			exit := 0
			if strings.Contains(text, "\nerror: ") {
				exit = 1
			}
			o, err := roOutcome(cli{tool: RPMOSTree}, Outcome{Args: []string{"rpm-ostree"}, Output: text}, guest.Result{Stdout: text, Exit: exit}, true, false)
			if (err != nil) != (exit != 0) {
				t.Errorf("%s: %v", name, err)
			}
			if w, ok := want[name]; ok && (w.reason != o.Reason || w.changes != changes(o.Diff)) {
				t.Errorf("%s: %q, %s; want %+v", name, o.Reason, changes(o.Diff), w)
			}
			if strings.Contains(text, "Transaction complete") && exit == 0 && !o.Changed {
				t.Errorf("%s: a complete transaction changed nothing: %q", name, o.Reason)
			}
		})
	}
}

func TestBootcOperationsOfRealSystems(t *testing.T) {
	eachSample(t, "bootc/text", func(t *testing.T, name, text string) {
		var o Outcome
		readBootc(&o, text)
		_, statusErr := ParseBootcText(text)
		switch {
		case strings.Contains(name, "-status-"):
			if statusErr != nil {
				t.Errorf("%s: %v", name, statusErr)
			}
			return
		case strings.Contains(name, "no-changes"):
			if o.Reason != NoUpgrade || o.Update != nil || o.Queued != nil {
				t.Errorf("%s: %+v", name, o)
			}
		case strings.Contains(name, "check-available"):
			if o.Update == nil || o.Update.Version == "" || !strings.HasPrefix(o.Update.Digest, "sha256:") || o.Reason != "" {
				t.Errorf("%s: %+v", name, o)
			}
		case strings.Contains(name, "error-local-modifications"):
			if r := ReasonOf(text); r != LocalModifications {
				t.Errorf("%s: %q", name, r)
			}
		default: // upgrade, switch
			if o.Queued == nil || !strings.HasPrefix(o.Queued.Digest, "sha256:") || !strings.Contains(o.Queued.Name, ":") || o.Reason != "" {
				t.Errorf("%s: %+v", name, o)
			}
		}
		if statusErr == nil {
			t.Errorf("%s was taken for a status", name)
		}
	})
}

func TestPackagesOfRealSystems(t *testing.T) {
	want := map[string]string{"photon1-added-only.txt": "0 0 0 3 0", "photon3-rollback-vs-booted.txt": "0 0 0 0 2"}
	eachSample(t, "rpm-ostree/db-diff", func(t *testing.T, name, text string) {
		d, err := ParseDiff(text)
		if err != nil || !isChecksum(d.From) || !isChecksum(d.To) || d.Empty() || want[name] != "" && changes(d) != want[name] {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	})
	eachSample(t, "rpm-ostree/db-list", func(t *testing.T, name, text string) {
		if commit, all, err := ParsePackages(text); err != nil || !isChecksum(commit) || len(all) == 0 {
			t.Errorf("%s: %s %q, %v", name, commit, all, err)
		}
	})
	eachSample(t, "rpm-ostree/bisect", func(t *testing.T, name, text string) {
		if s, err := ParseRPMOSTreeJSON([]byte(text)); err == nil {
			t.Errorf("%s, which is no status, gives %+v", name, s)
		}
	})
}

func TestAtomicOfRealSystems(t *testing.T) {
	eachSample(t, "atomic-cli/text", func(t *testing.T, name, text string) {
		containers, err := ParseContainers(text)
		if isList := strings.Contains(name, "containers-list"); isList != (err == nil) || isList && len(containers) == 0 {
			t.Errorf("%s: %+v, %v", name, containers, err)
		}
		images, err := ParseContainerImages(text)
		if isList := strings.Contains(name, "images-list"); isList != (err == nil) || isList && len(images) == 0 {
			t.Errorf("%s: %+v, %v", name, images, err)
		}
	})
}

func TestOSTreeOfRealSystems(t *testing.T) {
	for _, folder := range []string{"ostree/log", "ostree/show"} {
		eachSample(t, folder, func(t *testing.T, name, text string) {
			all, err := ParseLog(text)
			if err != nil || strings.Contains(name, "two-commits") != (len(all) == 2) || all[0].Date.IsZero() {
				t.Errorf("%s: %+v, %v", name, all, err)
			}
		})
	}
	for _, folder := range []string{"ostree/other", "ostree/admin-other"} {
		eachSample(t, folder, func(t *testing.T, name, text string) {
			changed, err := ParseConfigDiff(text)
			if isDiff := strings.Contains(name, "diff"); isDiff != (err == nil) || isDiff && len(changed) == 0 {
				t.Errorf("%s: %v, %v", name, changed, err)
			}
			if all, err := ParseLog(text); err == nil {
				t.Errorf("%s was taken for a history: %+v", name, all)
			}
			if fsckSound(text) != strings.Contains(name, "fsck-ok") {
				t.Errorf("%s: fsck", name)
			}
		})
	}
}

func TestGreenbootOfRealSystems(t *testing.T) {
	eachSample(t, "greenboot", func(t *testing.T, name, text string) {
		h, err := ParseBootHealth(text)
		if strings.Contains(name, "nologs") != (err != nil) || strings.Contains(name, "green.txt") != h.Green || strings.Contains(name, "red") != (len(h.Failed) > 0) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	})
}
