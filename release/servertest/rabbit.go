package servertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// RabbitMQ starts Debian's on a loopback port, with its user guest.
func RabbitMQ(t testing.TB) (address string) {
	t.Helper()
	Need(t)
	const program = "/usr/lib/rabbitmq/bin/rabbitmq-server"
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("RabbitMQ is not there; apt-get install rabbitmq-server: %v", err)
	}
	dir, err := os.MkdirTemp("", "assay-rabbit-") // its paths have to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ports := [3]int{FreePort(t), FreePort(t), FreePort(t)}
	config := fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d\nloopback_users = none\n", ports[0])
	if err := os.WriteFile(filepath.Join(dir, "rabbit.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd := exec.Command(program)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C.UTF-8", fmt.Sprintf("RABBITMQ_NODENAME=assay%d@localhost", ports[0]),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", ports[1]), "RABBITMQ_MNESIA_BASE="+dir, "RABBITMQ_LOG_BASE="+dir, "RABBITMQ_LOGS=-",
		"RABBITMQ_CONFIG_FILE="+filepath.Join(dir, "rabbit.conf"), "RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(dir, "plugins"),
		"RABBITMQ_PID_FILE="+filepath.Join(dir, "pid"), "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 1:1",
		fmt.Sprintf("ERL_EPMD_PORT=%d", ports[2]), "ERL_EPMD_ADDRESS=127.0.0.1") // a name server of its own, which outlives the node
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its own group, which we made
		<-over
		if out, err := exec.Command("epmd", "-port", fmt.Sprint(ports[2]), "-kill").CombinedOutput(); err != nil {
			t.Errorf("epmd at port %d is left: %v: %s", ports[2], err, out)
		}
	})
	address = fmt.Sprintf("127.0.0.1:%d", ports[0])
	limit := time.After(3 * time.Minute)
	for {
		if c, err := amqp.Dial("amqp://guest:guest@" + address); err == nil {
			c.Close()
			return address
		}
		select {
		case err := <-over:
			over <- err
			t.Fatalf("RabbitMQ ended: %v\n%s", err, log.String())
		case <-limit:
			t.Fatalf("RabbitMQ does not answer at %s after 3 minutes", address)
		case <-time.After(200 * time.Millisecond): // between two looks at it
		}
	}
}

// RabbitClient is a connection of a test's own to that broker, and a channel of it.
func RabbitClient(t testing.TB, address string) (*amqp.Connection, *amqp.Channel) {
	t.Helper()
	conn, err := amqp.Dial("amqp://guest:guest@" + address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return conn, ch
}
