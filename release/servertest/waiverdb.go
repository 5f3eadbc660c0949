package servertest

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var (
	//go:embed testdata/waiverdb-requirements.txt
	waiverDBRequirements []byte
	//go:embed testdata/waiverdb_server.py
	waiverDBServer []byte
)

// WaiverDBProxy is who may file waivers for others.
const WaiverDBProxy = "assay-bot"

// waiverDB is a Python environment with WaiverDB, made once for these versions
// and this Python.
func waiverDB(t testing.TB) (python string) {
	const system = "/usr/bin/python3" // which the servers' account can run
	version := Output(t, exec.Command(system, "-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"))
	sum := sha256.Sum256(waiverDBRequirements)
	dir := Cache(t, fmt.Sprintf("waiverdb-%x-python%s", sum[:6], version))
	python = filepath.Join(dir, "bin", "python")
	done := filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err == nil {
		return python
	}
	t.Logf("installing WaiverDB into %s; this takes a minute, once", dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	// An environment has its own path in its scripts: it is made where it stays.
	Output(t, exec.Command("nice", "-n", "19", system, "-m", "venv", dir))
	list := filepath.Join(t.TempDir(), "requirements.txt")
	if err := os.WriteFile(list, waiverDBRequirements, 0o600); err != nil {
		t.Fatal(err)
	}
	pip := exec.Command("nice", "-n", "19", python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "-r", list)
	pip.Env = append(os.Environ(), "PYTHONNOUSERSITE=1")
	Output(t, pip)
	if err := os.WriteFile(done, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return python
}

// WaiverDB starts a real server that believes whoever names a user, and returns
// the root of its API. WaiverDBProxy may speak for others.
func WaiverDB(t testing.TB) (url string) {
	t.Helper()
	Need(t)
	python := waiverDB(t)
	work, port := WorkFolder(t), FreePort(t)
	c := As(work, python, "-", filepath.Join(work, "waivers.db"), fmt.Sprint(port))
	c.Stdin = bytes.NewReader(waiverDBServer)
	s := Start(t, c, filepath.Join(t.TempDir(), "log"))
	url = fmt.Sprintf("http://127.0.0.1:%d/api/v1.0", port)
	s.Answers(t, func() error {
		resp, err := http.Get(url + "/about")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Server"), "Werkzeug") {
			return fmt.Errorf("status %s", resp.Status)
		}
		return nil
	})
	return url
}
