package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"assay/release/sign/signtest"
	"assay/release/tracker"
)

// configuration is assay.yaml. %s are the mail server, the tracker, the URL of the
// site, and a list of public keys.
const configuration = `rehearsal: true
history: {dir: history}
policies: [atomic-43.yaml, atomic-stable.yaml]
groups: {qa: [carol]}
spool: spool
keys:
  releases: {file: %[1]s, public: %[2]s}
  trees: {kind: ed25519, file: %[3]s, public: %[4]s, sign: [commits]}
promotion: {ref: "{stream}/{arch}/host", repo: public/repo}
targets:
  downloads:
    directory: {path: public}
    url: %[5]s
    static_deltas: true
    trust: {openpgp: [%[2]s], ed25519: [%[4]s], require: [checksums, images, commits, attestation]}
trackers:
  bugs: {type: %[6]s, url: %[7]s, project: %[8]s, token_file: %[9]s, plain_http_on_loopback: true, labels: [%[10]s]}
announce:
  list: {mail: {server: %[11]s, tls: none, from: "Releases <releases@example.org>", to: ["announce@example.org"]}}
  results: {folder: results}
rebuild:
  signing: {folder: rebuilds}
site:
  title: Atomic Host downloads
  about: Hosts for containers, as images that are released only after they were booted and tested.
  url: %[5]s
`

// Both policies let a check fail twice before a bug is opened.
const mainPolicy = `stream: atomic-43
title: Atomic Host 43
about: An immutable host for containers, released every two weeks. It is tested by machines alone, and you can help us fix it.
docs:
  - {title: Getting started, url: "https://docs.example/start"}
  - {title: Ask for help, url: "https://discuss.example"}
artifacts: {required: [qcow2/x86_64, qcow2/aarch64]}
refs: ["atomic-43/*"]
tests: {retries: 1, timeout: 6h}
calendar: {weeks: 2, first: "2026-10-20", at: "14:00", zone: Europe/Prague}
when_nothing_passed: retry
nightly: {by: "08:00"}
overrides:
  - {users: [alice], may: [waive, mark, block, promote, revoke, repair]}
  - {groups: [qa], may: [mark]}
trackers: [{name: bugs, bugs: [no-image, checks, revoked], open_after: 2, close_after: 2}]
keys: [releases, trees]
targets: [{name: downloads}]
announce: [list]
results: [results]
`

const stablePolicy = `stream: atomic-stable
title: Atomic Host stable
about: What passed upstream, built and signed by our own build system, every four weeks.
artifacts: {required: [qcow2/x86_64]}
refs: ["atomic-stable/*"]
tests: {retries: 1, timeout: 6h}
follow: {stream: atomic-43, every: 2, rebuild: signing}
when_nothing_passed: retry
overrides:
  - {users: [alice], may: [waive, mark, block, promote, revoke, repair]}
trackers: [{name: bugs, bugs: [checks, revoked], open_after: 2, close_after: 2}]
keys: [releases, trees]
targets: [{name: downloads}]
announce: [list]
`

// configure writes the configuration of a stage into dir.
func configure(dir, mail, site string, pgp, ed signtest.Key, t tracker.Config) error {
	quoted := func(s string) string { return fmt.Sprintf("%q", s) }
	text := fmt.Sprintf(configuration, quoted(pgp.Secret), quoted(pgp.Public), quoted(ed.Secret), quoted(ed.Public), quoted(site),
		t.Type, quoted(t.URL), quoted(t.Project), quoted(t.TokenFile), strings.Join(t.Labels, ", "), quoted(mail))
	for name, content := range map[string]string{"assay.yaml": text, "atomic-43.yaml": mainPolicy, "atomic-stable.yaml": stablePolicy} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	for _, d := range []string{"public", "rebuilds", "results"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	return nil
}
