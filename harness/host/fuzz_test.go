package host

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// sound checks what every status promises, however it was made.
func sound(t *testing.T, s Status, err error) {
	t.Helper()
	if err != nil {
		if len(s.Deployments) != 0 || !strings.HasPrefix(err.Error(), "cannot read ") && err != ErrNotBootc {
			t.Errorf("%+v with %v", s, err)
		}
		return
	}
	booted, rollback := 0, 0
	for _, d := range s.Deployments {
		if d.Booted {
			booted++
		}
		if d.Rollback {
			rollback++
		}
		if d.Booted && (d.Pending || d.Rollback) || d.Serial < 0 || d.DownloadOnly && d.Pending {
			t.Errorf("%+v", d)
		}
	}
	if booted > 1 && s.Tool != Bootc || rollback > 1 {
		t.Errorf("%d booted, %d rollbacks", booted, rollback)
	}
}

func FuzzRPMOSTreeStatus(f *testing.F) {
	f.Add(fmt.Sprintf(layeredJSON, sumA, sumA))
	f.Add("State: idle\nDeployments:\n● ostree://r:os\n     Version: 1 (2026-11-01T02:03:04Z)\n  BaseCommit: " + sumA + "\nGPGSignature: 1 signature\n              Good signature\n\n  r:x\n   Commit: " + sumA + "\n")
	f.Add("  TIMESTAMP (UTC)         VERSION   ID             OSNAME   REFSPEC\n* 2015-05-21 19:01:46     22.17     06a63ecfcf     os     r:os\n")
	f.Add("====\n  * DEFAULT ON BOOT\n----\n  version    1\n  timestamp  2016-06-15 09:57:04\n  id         " + sumA + ".0\n  osname     os\n  refspec    r:os\n====\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseRPMOSTreeJSON([]byte(text))
		sound(t, s, err)
		s, err = ParseRPMOSTreeText(text)
		sound(t, s, err)
	})
}

func FuzzBootcStatus(f *testing.F) {
	f.Add(bootcJSON(`{"staged":` + bootcEntryJSON(sumA, `,"downloadOnly":true`) + `,"booted":` + bootcEntryJSON(sumA, "") + `,"rollbackQueued":true}`))
	f.Add("apiVersion: org.containers.bootc/v1\nkind: BootcHost\nstatus:\n  booted:\n    image:\n      image: {image: a, transport: registry, signature: !ostreeRemote x}\n    ostree: {checksum: " + sumA + "}\n")
	f.Add("● Booted image: r.test/os:1\n        Digest: sha256:a (arm64)\n       Version: 1 (2023-09-30T19:22:16Z)\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseBootc([]byte(text))
		sound(t, s, err)
		s, err = ParseBootcText(text)
		sound(t, s, err)
	})
}

func FuzzOSTreeStatus(f *testing.F) {
	f.Add("* os " + sumA + ".0 (staged)\n    Version: 1\n    origin refspec: r:os\n")
	f.Add(`{"deployments":[{"checksum":"` + sumA + `","stateroot":"os","serial":0,"booted":true,"unlocked":"none"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseOSTree(text)
		sound(t, s, err)
		for _, d := range s.Deployments {
			if !isChecksum(d.Checksum) || d.OSName == "" {
				t.Errorf("%+v", d)
			}
		}
	})
}

func FuzzOutput(f *testing.F) {
	f.Add("ostree diff commit from: a\nostree diff commit to: b\nUpgraded:\n  a 1-1 -> 2-1\nAdded:\n  b-1-1.noarch\n")
	f.Add("ostree commit: a\n b-1-1.noarch\n")
	f.Add("Fetched layers: 1 Queued for next boot: oci:/x\n  Version: 1\n  Digest: sha256:a\n")
	f.Add("commit " + sumA + "\nDate:  2026-10-01 02:03:04 +0000\n\n    Subject\n")
	f.Add("M    hosts\nD    old\n")
	f.Add("greenboot[7]: Script 'a' FAILURE (exit code '1')\nBoot Status is RED\n")
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := ParseDiff(text); err == nil && (d.From == "" || d.To == "") {
			t.Errorf("%+v", d)
		}
		if commit, _, err := ParsePackages(text); (commit == "") != (err != nil) {
			t.Errorf("commit %q, %v", commit, err)
		}
		var o Outcome
		readBootc(&o, text)
		if o.Queued != nil && o.Update != nil {
			t.Errorf("%+v", o)
		}
		_, _ = ReasonOf(text), nothingIn(text)
		if all, err := ParseLog(text); err == nil && len(all) == 0 {
			t.Error("a history without commits")
		}
		_, _ = ParseConfigDiff(text)
		if h, err := ParseBootHealth(text); err != nil && h.Green {
			t.Error("green by mistake")
		}
	})
}

func FuzzContainers(f *testing.F) {
	f.Add(containersJSON)
	f.Add(containersTable)
	f.Add("   REPOSITORY     TAG      IMAGE ID       CREATED            VIRTUAL SIZE   TYPE\n>  r.test/hello   1        d7c1           2026-11-01 02:03   9 MB           ostree\n")
	f.Add("Name=web\nImage=x\nActiveState=active\nSubState=running\n")
	f.Fuzz(func(t *testing.T, text string) {
		if all, err := ParseContainers(text); err == nil {
			for _, c := range all {
				if c.Name == "" {
					t.Errorf("%+v", c)
				}
			}
		}
		_, _ = ParseContainerImages(text)
		_, _ = parseQuadlets(text)
		_ = readQuadlet(text)
	})
}

// What is written to a unit is read back, and never as another key.
func FuzzQuadletUnit(f *testing.F) {
	f.Add("r.test/web:1", "GREETING", `a "b" \\ 100%`, "8080:80", "/a:/b:Z")
	f.Add("x%%y", "A", `\"%%`, "1", "%")
	f.Fuzz(func(t *testing.T, image, key, value, port, volume string) {
		var u quadletFile
		if err := u.set(ContainerOptions{Name: "web", Image: image, Set: map[string]string{key: value}, Publish: []string{port}, Volumes: []string{volume}}); err != nil {
			return
		}
		if back := readQuadlet(u.text("web")); !reflect.DeepEqual(back, u) {
			t.Errorf("%+v is read back as %+v", u, back)
		}
	})
}
