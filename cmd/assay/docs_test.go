package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"assay/release/config"
)

// TestDocumentedConfiguration loads what docs/release-commands.md shows, and posts
// its builds to a service.
func TestDocumentedConfiguration(t *testing.T) {
	text, err := os.ReadFile("../../docs/release-commands.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{}
	for _, b := range regexp.MustCompile("(?ms)^```\\w+ (\\S+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks[b[1]] = b[2]
	}
	cfg, err := config.Parse("builds.yaml", []byte(blocks["builds.yaml"]), "/etc/assay")
	if err != nil {
		t.Fatal(err)
	}
	if s := cfg.Schedules["nightly"]; s.Command[0] != "/etc/assay/compose.sh" || s.Into != cfg.Folders["factory"].Path || cfg.WaiverDB == nil || cfg.Serve.Tokens == "" {
		t.Errorf("it is %+v", cfg)
	}
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte(blocks["tokens"]), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := readTokens(path); err != nil || len(list.list) != 3 || !list.list[0].has(builder) || !list.list[1].has(worker) || !list.list[2].has(person) {
		t.Errorf("tokens: %+v, %v", list, err)
	}
	h := newHost(t)
	s := h.serve()
	for _, c := range []struct{ name, path, says string }{
		{"build.json", "/v1/builds/demo-1", `"build":"20261121_01"`},
		{"failed.json", "/v1/builds/demo-1/failed", `"build":""`},
	} {
		if status, answer := s.call("POST", c.path, kojiToken, blocks[c.name]); status != 200 || !strings.Contains(answer, c.says) {
			t.Errorf("%s: %d %s", c.name, status, answer)
		}
	}
	s.stop()
}
