package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sampleFiles are the files of a folder of real outputs; none is a skip that
// says so.
func sampleFiles(t *testing.T, folder string) []string {
	t.Helper()
	root := os.Getenv("ASSAY_SAMPLES")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "samples")
	}
	files, err := filepath.Glob(filepath.Join(root, folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skipf("0 samples in %s (ASSAY_SAMPLES says where they are)", filepath.Join(root, folder))
	}
	return files
}

// TestStatusOfRealSystems reads what real systems printed. What they printed
// names one booted deployment, each with a commit or an image, or is named here.
func TestStatusOfRealSystems(t *testing.T) {
	notBooted := map[string]bool{
		"centos-bootc-9-container-staged-no-origin.json": true, "spec-staged-rollback.yaml": true,
	}
	for folder, parse := range map[string]func(string) (Status, error){
		"rpm-ostree/status-json":  func(s string) (Status, error) { return ParseRPMOSTreeJSON([]byte(s)) },
		"rpm-ostree/status-text":  ParseRPMOSTreeText,
		"atomic-host/status-text": ParseRPMOSTreeText,
		"bootc/status":            func(s string) (Status, error) { return ParseBootc([]byte(s)) },
		"bootc/status-text":       ParseBootcText,
		"ostree/admin-status":     ParseOSTree,
	} {
		t.Run(strings.ReplaceAll(folder, "/", "-"), func(t *testing.T) {
			for _, f := range sampleFiles(t, folder) {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				name := filepath.Base(f)
				s, err := parse(string(b))
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if _, err := s.Booted(); (err == nil) == notBooted[name] {
					t.Errorf("%s: %v", name, err)
				}
				for i, d := range s.Deployments {
					if d.BaseChecksum == "" && d.Image == nil || d.Origin == "" && d.Image == nil && !strings.Contains(name, "rhcos") &&
						!strings.Contains(name, "image-null") && !strings.Contains(name, "staged_spec") {
						t.Errorf("%s: deployment %d: %+v", name, i, d)
					}
				}

			}
		})
	}
}
func digest(s Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "busy %q update %+v\n", s.Busy, s.Update)
	for _, d := range s.Deployments {
		fmt.Fprintf(&b, "   %+v img %+v\n", d, d.Image)
	}
	return b.String()
}

var _ = errors.New
