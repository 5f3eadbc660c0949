package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	if err := demo(dir, "2 Tue"); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "public/streams/atomic-43/index.html"))
	if err != nil || !strings.Contains(string(page), "20261020_01") {
		t.Fatalf("the page it leaves: %v", err)
	}
	if again, err := fresh(dir); err != nil || again != dir {
		t.Errorf("it cannot be shown again: %v", err)
	}
	if err := demo(t.TempDir(), "2 Tues"); err == nil || !strings.Contains(err.Error(), "want a week and a day") {
		t.Error(err)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := demo(other, ""); err == nil || !strings.Contains(err.Error(), "holds something else") {
		t.Error(err)
	}
}
