package tracker

import (
	"encoding/pem"
	"strings"
	"testing"
)

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestValidate(t *testing.T) {
	good := Config{Type: GitHub, Project: "fedora/images", TokenEnv: "TOKEN"}
	bugzilla := Config{Type: Bugzilla, URL: "https://bugzilla.example", Project: "Fedora OS", Component: "images", Version: "43", TokenFile: "/run/token", CloseAs: "CLOSED/CURRENTRELEASE", ReopenAs: "NEW", Bearer: true}
	for _, c := range []Config{good, bugzilla,
		{Type: GitLab, Project: "a/b/c", TokenFile: "t", WontFix: []string{"won't do"}},
		{Type: Pagure, URL: "https://pagure.example/", Project: "name", TokenFile: "t", CloseAs: "Fixed"},
		{Type: Forgejo, URL: "http://[::1]:3000", Project: "a/b", TokenFile: "t", PlainHTTPOnLoopback: true},
	} {
		if err := c.Validate(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for want, change := range map[string]func(*Config){
		"type":             func(c *Config) { c.Type = "jira" },
		"url: want":        func(c *Config) { c.URL = "https://user:pw@host.example" },
		"url: http would":  func(c *Config) { c.URL = "http://host.example" },
		"url: http":        func(c *Config) { c.URL, c.PlainHTTPOnLoopback = "http://host.example", true },
		"url: scheme":      func(c *Config) { c.URL = "ftp://host.example" },
		"project":          func(c *Config) { c.Project = "images" },
		"project:":         func(c *Config) { c.Project = "../.." },
		"token_file":       func(c *Config) { c.TokenEnv = "" },
		"token_file:":      func(c *Config) { c.TokenFile = "x" },
		"token_env":        func(c *Config) { c.TokenEnv = "ghp-not/a/name" },
		"timeout":          func(c *Config) { c.Timeout = -1 },
		"labels":           func(c *Config) { c.Labels = []string{"a,b"} },
		"wont_fix":         func(c *Config) { c.WontFix = []string{"--"} },
		"component":        func(c *Config) { c.Component = "x" },
		"close_as":         func(c *Config) { c.CloseAs = "x" },
		"component: bugs ": func(c *Config) { *c = bugzilla; c.Version = "" },
		"close_as:":        func(c *Config) { *c = bugzilla; c.CloseAs = "CLOSED" },
	} {
		c := good
		change(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw") || strings.Contains(err.Error(), "ghp") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestIsWontFix(t *testing.T) {
	var c Config
	for word, want := range map[string]bool{
		"wontfix": true, "Won't fix": true, "WONTFIX": true, "status/wontfix": true, "resolution::won't fix": true, "not_planned": true,
		"NOTABUG": true, "Reviewed/Invalid": true, "duplicate": true, "": false, "Fixed": false, "completed": false, "wontfix/maybe": false,
	} {
		if got := c.IsWontFix("area/boot", word); got != want {
			t.Errorf("%q: %t", word, got)
		}
	}
	c.WontFix = []string{"abgelehnt"}
	if c.IsWontFix("wontfix") || !c.IsWontFix("x", "status/Abgelehnt") {
		t.Error("the configured words do not replace the others")
	}
}
