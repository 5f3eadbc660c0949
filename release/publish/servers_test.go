package publish

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"assay/release/sign/signtest"
)

// needServers skips tests of real servers unless they are asked for.
func needServers(t *testing.T, programs ...string) {
	t.Helper()
	if !serverTests() {
		t.Skip("speaks to real servers; ASSAY_SERVER_TESTS=1 runs it")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%v: install what packages.debian lists", err)
		}
	}
}

// sshd is a real SSH server for a folder. The test itself listens, on a port
// that the kernel chose, and starts one sshd for each connection, so that no port
// is raced for and no daemon stays.
type sshd struct {
	testTarget
	listener net.Listener
	mu       sync.Mutex
	conns    map[net.Conn]bool
	wg       sync.WaitGroup
}

func newSSHD(t *testing.T) *sshd {
	needServers(t, "rsync", "ssh", "ssh-keygen")
	const program = "/usr/sbin/sshd"
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: apt-get install openssh-server", err)
	}
	if os.Geteuid() == 0 {
		// sshd wants its folder for privilege separation; init makes it elsewhere.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	for _, k := range []string{"host", "user"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, k)).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	public, _ := os.ReadFile(filepath.Join(dir, "user.pub"))
	signtest.Write(t, filepath.Join(dir, "authorized_keys"), public, 0o600)
	config := filepath.Join(dir, "sshd_config")
	signtest.Write(t, config, []byte(fmt.Sprintf("HostKey %[1]s/host\nAuthorizedKeysFile %[1]s/authorized_keys\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nUsePAM no\nPidFile none\n", dir)), 0o600)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	host, _ := os.ReadFile(filepath.Join(dir, "host.pub"))
	known := filepath.Join(dir, "known_hosts")
	signtest.Write(t, known, []byte(fmt.Sprintf("[127.0.0.1]:%d %s", port, host)), 0o644)
	root := t.TempDir()
	s := &sshd{listener: l, conns: map[net.Conn]bool{}, testTarget: testTarget{root: root, config: Config{Rsync: &Rsync{
		Host: "127.0.0.1", Port: port, Path: root, IdentityFile: filepath.Join(dir, "user"), KnownHosts: known}}}}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(c, program, config) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.cut()
		s.wg.Wait()
	})
	return s
}

func (s *sshd) serve(c net.Conn, program, config string) {
	defer c.Close()
	s.mu.Lock()
	s.conns[c] = true
	s.mu.Unlock()
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		return
	}
	cmd := exec.Command(program, "-i", "-e", "-f", config)
	cmd.Stdin, cmd.Stdout = f, f
	if cmd.Start() == nil {
		_ = f.Close()
		_ = cmd.Wait()
	}
}

// cut ends all connections, as a cable that is pulled.
func (s *sshd) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if raw, err := c.(*net.TCPConn).SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
		}
		delete(s.conns, c)
	}
}

func TestRsyncOverSSH(t *testing.T) { conform(t, newSSHD(t).testTarget) }

func TestKilledRsyncIsFinishedByTheNext(t *testing.T) { killed(t, newSSHD(t).testTarget, 2, 8) }

func TestCutNetworkLeavesTheOldRelease(t *testing.T) {
	s := newSSHD(t)
	b := newBench(t, s.testTarget)
	b.publish(t, b.effects(t, "20261101_01", 1))
	effects := b.effects(t, "20261102_01", 2)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for tick := time.NewTicker(300 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				s.cut()
			}
		}
	})
	cuts := 0
	for _, e := range effects {
		for range 4 {
			if _, err := b.publisher.Do(t.Context(), e); err != nil {
				cuts++
				if !strings.Contains(err.Error(), "What was out is out still") && !strings.Contains(err.Error(), "cannot publish test-43 20261102_01 to target") {
					t.Errorf("%v", err)
				}
			}
			if p, err := b.see(); err != nil || p.Build != "20261101_01" && e.Publish.Step != "pointer" {
				t.Fatalf("%s: %v, readers are given %s", e.Publish.Step, err, p.Build)
			}
		}
	}
	close(stop)
	wg.Wait()
	if cuts == 0 {
		t.Error("the network was never cut in the middle")
	}
	b.publish(t, effects)
	if p := b.look(t); p.Build != "20261102_01" {
		t.Errorf("readers are given %s", p.Build)
	}
	b.follow(t)
	t.Logf("%d attempts failed", cuts)
}

func TestWrongHostKeyIsRefused(t *testing.T) {
	s := newSSHD(t)
	signtest.Write(t, s.config.Rsync.KnownHosts, []byte("[127.0.0.1]:1 ssh-ed25519 AAAA\n"), 0o644)
	b := newBench(t, s.testTarget)
	_, err := b.publisher.Do(t.Context(), b.effects(t, "20261101_01", 1)[0])
	if err == nil || !strings.Contains(err.Error(), "known_hosts") {
		t.Errorf("%v", err)
	}
}

// versitygw is the S3 server of the tests: S3 over a folder.
const versitygw = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

// s3server builds and runs a real S3 server on a unix socket, so that no port is
// raced for. ASSAY_VERSITYGW names one that is built already.
func s3server(t *testing.T) testTarget {
	needServers(t)
	program := os.Getenv("ASSAY_VERSITYGW")
	if program == "" {
		dir := t.TempDir()
		cmd := exec.Command("go", "install", versitygw)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOBIN="+dir, "GOFLAGS=-buildvcs=false")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("cannot build %s: %v\n%s", versitygw, err, out)
		}
		program = filepath.Join(dir, "versitygw")
	}
	dir, err := os.MkdirTemp("", "s3-") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	socket, root := filepath.Join(dir, "socket"), filepath.Join(dir, "root")
	signtest.Write(t, filepath.Join(root, "releases-bucket", ".keep"), nil, 0o644)
	_ = os.Remove(filepath.Join(root, "releases-bucket", ".keep"))
	const access, secret = "test", "a-secret-of-the-test"
	cmd := exec.Command(program, "--quiet", "--port", socket, "posix", root)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+access, "ROOT_SECRET_KEY="+secret)
	log, _ := os.Create(filepath.Join(dir, "log"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("S3 server: %s", b)
		}
		_ = os.RemoveAll(dir)
	})
	credentialsFile := filepath.Join(t.TempDir(), "credentials")
	signtest.Write(t, credentialsFile, []byte(fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", access, secret)), 0o600)
	client, err := minio.New("s3.test", &minio.Options{Creds: credentials.NewStaticV4(access, secret, ""), Transport: overSocket(socket)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		ok, err := client.BucketExists(ctx, "releases-bucket")
		if err == nil && ok {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the S3 server does not answer: %v", err)
		}
	}
	return testTarget{root: filepath.Join(root, "releases-bucket"), socket: socket, config: Config{S3: &S3{
		Endpoint: "s3.test", Bucket: "releases-bucket", Region: "us-east-1", CredentialsFile: credentialsFile, Plain: true}}}
}

func TestS3(t *testing.T) { conform(t, s3server(t)) }

func TestKilledS3IsFinishedByTheNext(t *testing.T) { killed(t, s3server(t), 3, 15) }

func TestS3SaysWhoIsNotLetIn(t *testing.T) {
	target := s3server(t)
	signtest.Write(t, target.config.S3.CredentialsFile, []byte("[default]\naws_access_key_id = test\naws_secret_access_key = another-secret\n"), 0o600)
	b := newBench(t, target)
	_, err := b.publisher.Do(t.Context(), b.effects(t, "20261101_01", 1)[0])
	if err == nil || strings.Contains(err.Error(), "another-secret") || !strings.Contains(err.Error(), "releases-bucket") {
		t.Errorf("%v", err)
	}
}

func TestS3KeepsToItsPrefix(t *testing.T) {
	target := s3server(t)
	target.config.S3.Prefix = "mirror/a"
	b := newBench(t, target)
	b.publish(t, b.effects(t, "20261101_01", 1))
	list, _ := os.ReadDir(target.root)
	for _, e := range list {
		if e.Name() != "mirror" && e.Name() != ".sgwtmp" { // the server's own
			t.Errorf("in the bucket: %s", e.Name())
		}
	}
	b.root = filepath.Join(target.root, "mirror/a")
	b.look(t)
	b.follow(t)
}

func TestFullDiskLeavesTheOldRelease(t *testing.T) {
	needServers(t, "mount")
	if os.Geteuid() != 0 {
		t.Skip("mounts a small file system, which root may")
	}
	target := inDirectory(t)
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1600k", "assay-test", target.root).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", target.root).Run() })
	b := newBench(t, target)
	b.publish(t, b.effects(t, "20261101_01", 1))
	fill := filepath.Join(target.root, "fill")
	f, err := os.Create(fill)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 16<<10))
	}
	_ = f.Close()
	effects := b.effects(t, "20261102_01", 2)
	for _, e := range effects {
		if _, err := b.publisher.Do(t.Context(), e); err == nil {
			t.Errorf("%s succeeds on a full disk", e.Publish.Step)
		} else if e.Publish.Step == "stage" && (!strings.Contains(err.Error(), "make room there") || !strings.Contains(err.Error(), "What was out is out still")) {
			t.Errorf("%v", err)
		}
		if p, err := b.see(); err != nil || p.Build != "20261101_01" {
			t.Fatalf("%v, readers are given %s", err, p.Build)
		}
	}
	b.follow(t)
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	b.publish(t, effects)
	if p := b.look(t); p.Build != "20261102_01" {
		t.Errorf("readers are given %s", p.Build)
	}
}

func TestPermissionDeniedLeavesTheOldRelease(t *testing.T) {
	needServers(t, "chattr")
	b := newBench(t, inDirectory(t))
	b.publish(t, b.effects(t, "20261101_01", 1))
	// Root may write everywhere but into what is immutable.
	fixed := filepath.Join(b.root, "releases/test-43")
	change := func(flag string) error { return exec.Command("chattr", flag, fixed).Run() }
	if err := change("+i"); err != nil {
		t.Skipf("chattr +i: %v (wants root and a file system that knows it)", err)
	}
	t.Cleanup(func() { _ = change("-i") })
	effects := b.effects(t, "20261102_01", 2)
	b.publish(t, effects[:3])
	b.stopped(t, effects[3], "let this user write there", os.ErrPermission)
	b.stopped(t, effects[4], "images are to be published first", errMissing)
	if err := change("-i"); err != nil {
		t.Fatal(err)
	}
	b.publish(t, effects)
	if p := b.look(t); p.Build != "20261102_01" {
		t.Errorf("readers are given %s", p.Build)
	}
}
