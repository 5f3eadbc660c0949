package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTokens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	read := func(text string, mode os.FileMode) error {
		_ = os.Remove(path)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		_, err := readTokens(path)
		return err
	}
	if err := read("alice "+aliceToken+"\n", 0o600); err != nil {
		t.Error(err)
	}
	for text, says := range map[string]string{"alice short\n": ":1: the token has fewer", "alice\n": ":1: want NAME TOKEN", "# c\n\na b " + aliceToken + "\n": ":3: want NAME TOKEN"} {
		if err := read(text, 0o600); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), aliceToken) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := read("alice "+aliceToken+"\n", 0o644); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("everybody can read it: %v", err)
	}
}
