package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// assayInPath is a folder in which this test binary is called assay; see
// TestMain.
func assayInPath(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "assay")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestTutorial runs the commands of docs/release-tutorial.md and compares what
// they say: "…" stands for anything in a line, and a line of nothing else for any
// lines.
func TestTutorial(t *testing.T) {
	for _, program := range []string{"gpg", "gpgv", "ostree", "bash"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the tutorial needs %s: %v", program, err)
		}
	}
	text, err := os.ReadFile("../../docs/release-tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	// The socket of gpg's agent has to have a short path.
	dir, err := os.MkdirTemp("", "tut")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	sh := newShell(t, dir)
	ran := 0
	for _, block := range regexp.MustCompile("(?ms)^```(.*?)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		kind, name, _ := strings.Cut(block[1], " ")
		if kind != "console" {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(block[2]), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, c := range commands(block[2]) {
			ran++
			if got := sh.run(t, c.line); !c.matches(got) {
				t.Fatalf("$ %s\nsays:\n%s\nthe tutorial has:\n%s", c.line, got, c.says)
			}
		}
	}
	if ran < 40 {
		t.Errorf("only %d commands were run", ran)
	}
}

// command is a line after "$ " and what it says.
type command struct{ line, says string }

func commands(block string) (out []command) {
	for l := range strings.Lines(block) {
		if rest, ok := strings.CutPrefix(l, "$ "); ok {
			out = append(out, command{line: strings.TrimSuffix(rest, "\n")})
			continue
		}
		out[len(out)-1].says += l
	}
	return out
}

func (c command) matches(got string) bool {
	pattern := "^"
	for l := range strings.Lines(c.says) {
		if l == "…\n" {
			pattern += `(?:.*\n)*`
			continue
		}
		pattern += strings.ReplaceAll(regexp.QuoteMeta(l), "…", `.*`)
	}
	return regexp.MustCompile(pattern + "$").MatchString(got)
}

// shell keeps folder and variables from one command to the next.
type shell struct {
	in  io.Writer
	out *os.File
	end string
}

func newShell(t *testing.T, dir string) *shell {
	cmd := exec.CommandContext(t.Context(), "bash", "--norc")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+assayInPath(t)+":"+os.Getenv("PATH"), "LC_ALL=C.UTF-8", "ASSAY_CONFIG=", "TZ=UTC")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
		_ = r.Close()
	})
	return &shell{in: in, out: r, end: "\x00end\n"}
}

func (s *shell) run(t *testing.T, line string) string {
	t.Helper()
	if _, err := fmt.Fprintf(s.in, "%s </dev/null\nprintf '\\0end\\n'\n", "{ "+line+"\n}"); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := s.out.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for buf := make([]byte, 4096); !strings.HasSuffix(got.String(), s.end); {
		n, err := s.out.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			t.Fatalf("$ %s\n%s\n%v", line, &got, err)
		}
	}
	return strings.TrimSuffix(got.String(), s.end)
}
