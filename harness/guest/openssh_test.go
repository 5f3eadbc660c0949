package guest_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"assay/harness/guest"
	"assay/harness/guest/guesttest"
)

// TestConformsOnOpenSSH runs the kit against a real sshd, the server that
// guests have, without a guest. It uses keys of the test and no port.
// ASSAY_SSHD names the program; without it the test skips, as it needs an
// account that may log in and takes as long as that account's shell does.
func TestConformsOnOpenSSH(t *testing.T) {
	t.Parallel()
	program := os.Getenv("ASSAY_SSHD")
	if program == "" {
		t.Skip("1 kit skipped: ASSAY_SSHD names no OpenSSH server")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	client, _ := key(t)
	host, hostPEM := key(t)
	config := write("config", fmt.Appendf(nil, "HostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nLogLevel ERROR\n",
		write("hostkey", hostPEM), write("authorized", ssh.MarshalAuthorizedKey(client.PublicKey()))))
	// In inetd mode each connection has an sshd of its own, and no port is raced for.
	cfg := guest.SSHConfig{Name: "openssh", User: me.Username, Signer: client, HostKey: host.PublicKey(), Scale: 2,
		Dial: func(context.Context, int) (net.Conn, error) { return inetd(t, program, config) }}
	g := await(t, cfg)
	var noRoot *guest.NoRootError
	if _, err := guest.Ask(t.Context(), g, "true"); errors.As(err, &noRoot) {
		t.Skipf("the kit works as root: %v", err)
	}
	guesttest.Conformance(t, func(testing.TB) guest.Guest { return g })
}

func key(t *testing.T) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

// inetd starts sshd on one end of a socket pair and returns the other.
func inetd(t *testing.T, program, config string) (net.Conn, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	theirs, ours := os.NewFile(uintptr(fds[0]), "sshd"), os.NewFile(uintptr(fds[1]), "client")
	defer theirs.Close()
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	var said bytes.Buffer
	cmd := exec.Command(program, "-i", "-e", "-f", config)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, &said
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		_ = conn.Close() // was never used
		return nil, err
	}
	t.Cleanup(func() {
		_ = conn.Close() // sshd ends with its connection
		_ = cmd.Wait()   // however it ended
		if t.Failed() {
			t.Logf("sshd says: %s", said.String())
		}
	})
	return conn, nil
}
