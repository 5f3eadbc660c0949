package host

import (
	"strings"
	"testing"

	"assay/harness/guest/guesttest"
)

func TestWhyNoOther(t *testing.T) {
	const (
		anything = `[{"type":"insecureAcceptAnything"}]`
		signed   = `[{"type":"sigstoreSigned","keyPath":"/etc/pki/k.pub"}]`
		reject   = `[{"type":"reject"}]`
		here     = "192.168.127.1:5001/assay/os"
	)
	docker := func(scopes string) string {
		return `{"default":` + anything + `,"transports":{"docker":{` + scopes + `}}}`
	}
	os := Image{Name: "ghcr.io/example/os:stable", Transport: "registry", Verification: "unverified"}
	for name, c := range map[string]struct {
		image  Image
		policy string
		why    string
	}{
		"stock":             {os, docker(``), ""},
		"no policy":         {os, "", ""},
		"damaged":           {os, "{", ""},
		"all rejected":      {os, `{"default":` + reject + `}`, "policy.json"},
		"no default":        {os, `{}`, "policy.json"},
		"ours is not taken": {os, `{"default":` + reject + `,"transports":{"docker":{"ghcr.io":` + anything + `}}}`, here},
		"signed host":       {os, docker(`"ghcr.io":` + signed), "ghcr.io/example/os:stable"},
		"signed domain":     {os, docker(`"*.io":` + signed), "signatures"},
		"signed group":      {os, docker(`"ghcr.io/example":` + signed), "signatures"},
		"signed tag":        {os, docker(`"ghcr.io/example/os:stable":` + signed), "signatures"},
		"another's":         {os, docker(`"ghcr.io/other":` + signed + `,"ghcr.io/example/os:next":` + signed), ""},
		"narrower wins":     {os, docker(`"ghcr.io":` + signed + `,"ghcr.io/example/os":` + anything), ""},
		"all of docker":     {os, docker(`"":` + signed), "signatures"},
		"both wanted":       {os, docker(`"ghcr.io":[{"type":"insecureAcceptAnything"},{"type":"signedBy"}]`), "signatures"},
		"empty list":        {os, docker(`"ghcr.io":[]`), "signatures"},
		"storage":           {Image{Name: "localhost/os", Transport: "containers-storage"}, docker(``), "not from a registry"},
		"one digest":        {Image{Name: "ghcr.io/example/os@sha256:" + strings.Repeat("0", 64), Transport: "registry"}, docker(``), "for ever"},
		"signed origin":     {Image{Name: "ghcr.io/example/os", Transport: "registry", Verification: "signed"}, docker(``), "verified"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range policyFiles {
				g := guesttest.New(t)
				for _, p := range policyFiles {
					g.LacksFile(p)
				}
				if c.policy != "" {
					g.HasFile(path, c.policy)
				}
				why, err := WhyNoOther(t.Context(), g, c.image, here)
				if err != nil || (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
					t.Errorf("%s: %q, %v; want %q", path, why, err, c.why)
				}
			}
		})
	}
}
