package disk

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tests of several processes run this test binary again as an importer.
const (
	envRole  = "ASSAY_DISK_TEST_ROLE"
	envRoot  = "ASSAY_DISK_TEST_ROOT"
	envImage = "ASSAY_DISK_TEST_IMAGE"
)

func TestMain(m *testing.M) {
	switch os.Getenv(envRole) {
	case "":
		os.Exit(m.Run())
	case "import":
		os.Exit(importer(nil))
	case "stall":
		// Says when bytes begin to flow, and then reads no further until it is killed.
		os.Exit(importer(func(_, _ int64) {
			fmt.Println("reading")
			select {}
		}))
	case "small-files":
		// The kernel refuses to write beyond 1 MiB, as a full disk would.
		signal.Ignore(syscall.SIGXFSZ)
		lim := unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &lim); err != nil {
			fmt.Println("cannot set the limit:", err)
			os.Exit(1)
		}
		os.Exit(importer(nil))
	}
}

func importer(progress func(_, _ int64)) int {
	c, err := OpenCache(os.Getenv(envRoot))
	if err == nil {
		var b *Base
		if b, err = c.Base(contextOfChild(), os.Getenv(envImage), Options{Progress: progress}); err == nil {
			fmt.Println("base", b.FromCache, b.Path)
			return 0
		}
	}
	var full *DiskFullError
	var in *InputError
	fmt.Println("error", errors.As(err, &full), errors.As(err, &in), err)
	return 1
}

func child(t *testing.T, role, root, image string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), envRole+"="+role, envRoot+"="+root, envImage+"="+image)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestTwoProcessesImportOnce(t *testing.T) {
	root := t.TempDir()
	path := write(t, "x.raw.gz", gzipped(t, fixtureDisk()))
	settle(t, path)
	const n = 4
	outs := make(chan string, n)
	for range n {
		cmd := child(t, "import", root, path)
		go func() {
			out, err := cmd.Output()
			outs <- fmt.Sprint(strings.TrimSpace(string(out)), " ", err)
		}()
	}
	answers := map[string]int{}
	for range n {
		answers[<-outs]++
	}
	c, err := OpenCache(root)
	if err != nil {
		t.Fatal(err)
	}
	im := images(t, c)
	if len(im) != 1 {
		t.Fatalf("images in the cache: %v; want one", im)
	}
	if answers["base false "+im[0]+" <nil>"] != 1 || answers["base true "+im[0]+" <nil>"] != n-1 {
		t.Errorf("answers = %v; want one import and %d answers from the cache", answers, n-1)
	}
	if l := leftovers(t, c); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}

// settle waits until the file is old enough for its state to be remembered.
func settle(t testing.TB, path string) {
	t.Helper()
	s, err := openSource(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !s.id.settled(time.Now()) {
		<-tick.C
	}
}

// A run killed in the middle of an import leaves a file; the next run removes it,
// a run that lives keeps its own, and no partial image ever has a final name.
func TestKilledImport(t *testing.T) {
	root := t.TempDir()
	path := write(t, "x.raw.gz", gzipped(t, fixtureDisk()))
	start := func() *exec.Cmd {
		cmd := child(t, "stall", root, path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "reading\n" {
			t.Fatalf("the child said %q, %v", line, err)
		}
		return cmd
	}
	kill := func(cmd *exec.Cmd) {
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // "signal: killed"
	}
	first := start()
	c, err := OpenCache(root)
	if err != nil {
		t.Fatal(err)
	}
	// What an import leaves when it is killed between its first write and its last.
	tmp, err := newTemp(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCache(root); err != nil {
		t.Fatal(err)
	}
	if len(leftovers(t, c)) != 1 {
		t.Errorf("the file of a living import was removed")
	}
	tmp.Close() // the kernel does this for a killed process
	kill(first)
	if len(images(t, c)) != 0 {
		t.Errorf("a killed import left an image: %v", images(t, c))
	}
	if c, err = OpenCache(root); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "seen" {
			t.Errorf("left behind: %s", e.Name())
		}
	}
	if seen, _ := os.ReadDir(c.seen); len(seen) > 0 {
		t.Errorf("left behind: %v", seen)
	}
	b, err := c.Base(t.Context(), path, Options{})
	if err != nil {
		t.Fatalf("the next import: %v", err)
	}
	b.Close()
}

// Kills at many moments of an import: afterwards the cache works and is clean.
func TestKilledAtAnyMoment(t *testing.T) {
	root := t.TempDir()
	raw := fixtureDisk()
	path := write(t, "x.raw.xz", xzipped(t, raw))
	for i := range 12 {
		cmd := child(t, "import", root, path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(time.Duration(i) * 15 * time.Millisecond):
			_ = cmd.Process.Kill() // may have ended meanwhile
			<-done
		}
		for _, im := range imagesIn(t, root) {
			if fi, err := os.Stat(im); err != nil || fi.Size() != fixtureSize {
				t.Fatalf("kill %d: a partial image has its final name: %v, %v", i, fi.Size(), err)
			}
		}
		c, err := OpenCache(root)
		if err != nil {
			t.Fatal(err)
		}
		if l := leftovers(t, c); len(l) > 0 {
			t.Fatalf("kill %d: left after the next OpenCache: %v", i, l)
		}
	}
	c, err := OpenCache(root)
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Base(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if string(read(t, b.Path)) != string(raw) {
		t.Error("the base does not hold the disk")
	}
}

func imagesIn(t *testing.T, root string) []string {
	m, err := filepath.Glob(filepath.Join(root, "images", "*.raw"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDiskFull(t *testing.T) {
	// Compressed into less than the limit, so that only the import meets it.
	disk := make([]byte, fixtureSize)
	copy(disk, fixtureDisk()[:2<<20])
	for i := 2 << 20; i < len(disk)-64<<10; i++ {
		disk[i] = byte(i>>8) | 1
	}
	path := write(t, "x.raw.gz", gzipped(t, disk))
	t.Run("write fails", func(t *testing.T) {
		root := t.TempDir()
		out, err := child(t, "small-files", root, path).Output()
		if err == nil || !strings.HasPrefix(string(out), "error true false ") || !strings.Contains(string(out), "file too large") {
			t.Errorf("the import said %q, %v; want a DiskFullError", out, err)
		}
		c, err := OpenCache(root)
		if err != nil {
			t.Fatal(err)
		}
		if l := append(leftovers(t, c), images(t, c)...); len(l) > 0 {
			t.Errorf("left behind: %v", l)
		}
	})
	t.Run("reserve", func(t *testing.T) {
		c := openCache(t)
		free := int64(DefaultReserve + roomEvery - 1)
		c.free = func(string) (int64, error) { return free, nil }
		_, err := c.Base(t.Context(), path, Options{})
		var full *DiskFullError
		if !errors.As(err, &full) || full.Free != free || full.Reserve != DefaultReserve {
			t.Errorf("error = %v; want a DiskFullError", err)
		}
		if l := append(leftovers(t, c), images(t, c)...); len(l) > 0 {
			t.Errorf("left behind: %v", l)
		}
	})
}

func TestMissingQEMUImg(t *testing.T) {
	path := write(t, "x", qcow2Of(t, fixtureDisk()))
	t.Setenv("PATH", t.TempDir())
	_, err := openCache(t).Base(t.Context(), path, Options{})
	var missing *MissingProgramError
	if !errors.As(err, &missing) || missing.Package != "qemu-utils" {
		t.Errorf("error = %v; want a MissingProgramError", err)
	}
}
