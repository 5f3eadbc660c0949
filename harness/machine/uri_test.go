package machine

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestEndpoint(t *testing.T) {
	env := func(vars map[string]string) func(string) string { return func(k string) string { return vars[k] } }
	runtime := env(map[string]string{"XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/home/x"})
	for _, c := range []struct {
		uri     string
		env     func(string) string
		want    endpoint
		refused bool
	}{
		{uri: SystemURI, env: runtime, want: endpoint{uri: SystemURI, sockets: []string{"/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock"}}},
		{uri: SessionURI, env: runtime, want: endpoint{uri: SessionURI, session: true, sockets: []string{"/run/user/7/libvirt/virtqemud-sock", "/run/user/7/libvirt/libvirt-sock"}}},
		{uri: SessionURI, env: env(map[string]string{"HOME": "/home/x"}), want: endpoint{uri: SessionURI, session: true, sockets: []string{"/home/x/.cache/libvirt/virtqemud-sock", "/home/x/.cache/libvirt/libvirt-sock"}}},
		{uri: "qemu:///system?socket=/s", env: runtime, want: endpoint{uri: SystemURI, sockets: []string{"/s"}, asked: true}},
		{uri: "qemu+ssh://host/system", env: runtime, refused: true},
		{uri: "qemu://host/system", env: runtime, refused: true},
		{uri: "xen:///system", env: runtime, refused: true},
		{uri: "qemu:///embed", env: runtime, refused: true},
		{uri: "::", env: runtime, refused: true},
	} {
		got, err := newEndpoint(c.uri, c.env)
		if (err != nil) != c.refused || !reflect.DeepEqual(got, c.want) {
			t.Errorf("newEndpoint(%q) = %+v, %v; want %+v", c.uri, got, err, c.want)
		}
	}
}

// Nobody is started who would not listen at the socket that was named.
func TestNamedSocketStartsNoDaemon(t *testing.T) {
	e, err := newEndpoint("qemu:///session?socket="+t.TempDir()+"/none", func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir()) // a daemon that is looked for is not found, and said to be missing
	_, err = e.dial(t.Context())
	var none *DaemonError
	if !errors.As(err, &none) || strings.Contains(err.Error(), "cannot start") {
		t.Errorf("%v", err)
	}
}
