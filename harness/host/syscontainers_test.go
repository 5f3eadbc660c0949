package host

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"assay/harness/guest/guesttest"
)

type containerAction func(context.Context, SystemContainers) (Outcome, error)

func TestAtomicCommands(t *testing.T) {
	hello := ContainerOptions{Name: "hello", Image: "r.test/hello:1", Set: map[string]string{"RECEIVER": "foo bar", "PORT": "8080"}}
	for _, c := range []struct {
		do      containerAction
		command []string
		prints  string
		reason  Reason
	}{
		{func(ctx context.Context, s SystemContainers) (Outcome, error) { return s.Pull(ctx, "r.test/hello:1") },
			[]string{"atomic", "pull", "--storage=ostree", "r.test/hello:1"}, "Pulling layer a\n", ""},
		{func(ctx context.Context, s SystemContainers) (Outcome, error) { return s.Install(ctx, hello) },
			[]string{"atomic", "install", "--system", "--name=hello", "--set=PORT=8080", "--set=RECEIVER=foo bar", "r.test/hello:1"}, "Extracting to /x\n", ""},
		{func(ctx context.Context, s SystemContainers) (Outcome, error) {
			return s.Install(ctx, ContainerOptions{Name: "b", Image: "r.test/hello:1", RootFS: "/var/lib/containers/atomic/a"})
		}, []string{"atomic", "install", "--system", "--name=b", "--rootfs=/var/lib/containers/atomic/a", "r.test/hello:1"}, "", ""},
		{func(ctx context.Context, s SystemContainers) (Outcome, error) { return s.Start(ctx, "hello") }, []string{"systemctl", "start", "hello.service"}, "", ""},
		{func(ctx context.Context, s SystemContainers) (Outcome, error) {
			return s.Update(ctx, ContainerOptions{Name: "hello", Set: map[string]string{"RECEIVER": "bar"}})
		}, []string{"atomic", "containers", "update", "--set=RECEIVER=bar", "hello"}, "", ""},
		{func(ctx context.Context, s SystemContainers) (Outcome, error) {
			return s.Update(ctx, ContainerOptions{Name: "hello", Image: "r.test/hello:2"})
		}, []string{"atomic", "containers", "update", "--rebase=r.test/hello:2", "hello"}, "Latest version already installed.\n", NoUpgrade},
		{func(ctx context.Context, s SystemContainers) (Outcome, error) { return s.Rollback(ctx, "hello") }, []string{"atomic", "containers", "rollback", "hello"}, "", ""},
		{func(ctx context.Context, s SystemContainers) (Outcome, error) { return s.Uninstall(ctx, "hello") }, []string{"atomic", "uninstall", "hello"}, "", ""},
		{func(ctx context.Context, s SystemContainers) (Outcome, error) { return s.Prune(ctx) }, []string{"atomic", "images", "prune"}, "Deleting ociimage/a\n", ""},
	} {
		g := guesttest.New(t)
		g.On(c.command...).Prints(c.prints)
		if o, err := c.do(t.Context(), NewContainers(Atomic, g)); err != nil || o.Reason != c.reason || o.Changed != (c.reason == "") {
			t.Errorf("%q: %+v, %v", c.command, o, err)
		}
	}
}

func TestAtomicRefusals(t *testing.T) {
	for says, reason := range map[string]Reason{
		"Unable to find 'x' in the following backends: ostree\n":                  UnknownImage,
		"Image r.test/x not found\n":                                              UnknownImage,
		"System container 'x' is not installed\n":                                 UnknownContainer,
		"Unable to find backend associated with container 'x'\n":                  UnknownContainer,
		"Error: Cannot find a previous deployment to rollback located at /x.1\n":  NoRollback,
		"A container 'x' is already present\n":                                    NoChange,
		"Only root can use --system\n":                                            NotPrivileged,
		"Some operations for 'uninstall' require root access.\n":                  NotPrivileged,
		"Unable to find image r.test/x\n":                                         UnknownImage,
		"The template file '/x' still contains an unreplaced value for: 'PORT'\n": MissingSetting,
		"the sky is falling\n":                                                    "",
	} {
		g := guesttest.New(t)
		g.On("atomic", guesttest.Rest).Says(says).Exits(1)
		s := NewContainers(Atomic, g)
		for _, do := range []containerAction{
			func(ctx context.Context, s SystemContainers) (Outcome, error) {
				return s.Update(ctx, ContainerOptions{Name: "x", Set: map[string]string{"A": "b"}})
			},
			func(ctx context.Context, s SystemContainers) (Outcome, error) {
				_, err := s.List(ctx)
				return Outcome{}, err
			},
			func(ctx context.Context, s SystemContainers) (Outcome, error) {
				_, err := s.Images(ctx)
				return Outcome{}, err
			},
		} {
			var refused *RefusedError
			if _, err := do(t.Context(), s); !errors.As(err, &refused) || refused.Reason != reason || refused.Tool != Atomic {
				t.Errorf("%q: %v", says, err)
			}
		}
	}
	// A name that is neither a container nor an image is no container.
	g := guesttest.New(t)
	g.On("atomic", "uninstall", "x").Says("Unable to find 'x' in the following backends: ostree\n").Exits(1)
	var refused *RefusedError
	if o, err := NewContainers(Atomic, g).Uninstall(t.Context(), "x"); !errors.As(err, &refused) || refused.Reason != UnknownContainer || o.Reason != UnknownContainer {
		t.Errorf("%+v, %v", o, err)
	}
	// Nothing is run for what cannot be passed on.
	s := NewContainers(Atomic, guesttest.New(t))
	for i, err := range []error{
		second(s.Pull(t.Context(), "--help")), second(s.Install(t.Context(), ContainerOptions{Name: "../x", Image: "a"})),
		second(s.Install(t.Context(), ContainerOptions{Name: "x", Image: "-a"})), second(s.Update(t.Context(), ContainerOptions{Name: "x", Set: map[string]string{"a b": "c"}})),
		second(s.Start(t.Context(), "a;b")), second(s.Rollback(t.Context(), "-a")), second(s.Uninstall(t.Context(), "")),
		second(s.Install(t.Context(), ContainerOptions{Name: "x", Image: "a", Publish: []string{"1:1"}})),
		second(s.Update(t.Context(), ContainerOptions{Name: "x", RootFS: "/x"})),
	} {
		if err == nil {
			t.Errorf("%d was passed on", i)
		}
	}
}

func second(_ Outcome, err error) error { return err }

const containersJSON = `[{"id": "hello", "image_id": "d7c1", "image_name": "r.test/hello:1", "name": "hello", "command": ["/bin/run", "-v"],
 "created": "2026-11-01 02:03", "state": "running", "backend": "ostree", "runtime": "/bin/runc", "vulnerable": false, "running": true},
 {"id": "5d", "image_id": null, "image_name": "r.test/db", "name": "", "command": "db", "created": "2026-11-01", "state": "exited", "backend": "docker", "runtime": "docker", "running": false}]`

const containersTable = `   CONTAINER ID IMAGE                NAME       COMMAND    CREATED          STATE      BACKEND    RUNTIME   
   hello        r.test/hello:1       hello      /bin/run   2026-11-01 02:03 running    ostree     /bin/runc 
*> 5d           r.test/db            some_db    db         2026-11-01 02:04 exited     docker     docker    
`

func TestAtomicList(t *testing.T) {
	g := guesttest.New(t)
	g.On("atomic", "containers", "list", "--all", "--no-trunc", "--json").Prints(containersJSON).Then().
		Says("usage: atomic\natomic: error: unrecognized arguments: --json\n").Exits(2)
	g.On("atomic", "containers", "list", "--all", "--no-trunc").Prints(containersTable)
	s := NewContainers(Atomic, g)
	want := Container{Name: "hello", Image: "r.test/hello:1", ImageID: "d7c1", Command: "/bin/run -v", Created: "2026-11-01 02:03", State: "running",
		Running: true, Backend: "ostree", Runtime: "/bin/runc"}
	if c, err := s.Status(t.Context(), "hello"); err != nil || c != want {
		t.Errorf("%+v, %v", c, err)
	}
	all, err := s.List(t.Context())
	if err != nil || len(all) != 2 || all[0].Created != "2026-11-01 02:03" || all[1].Name != "some_db" || all[1].Running || all[1].Runtime != "docker" {
		t.Errorf("%+v, %v", all, err)
	}
	var refused *RefusedError
	if _, err := s.Status(t.Context(), "none"); !errors.As(err, &refused) || refused.Reason != UnknownContainer {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"[", "hello\n", `[{"id":""}]`, "   CONTAINER ID IMAGE   RUNTIME\n   averylongnameindeedyes\n", "a b c\n"} {
		if all, err := ParseContainers(bad); err == nil {
			t.Errorf("%q gives %+v", bad, all)
		}
	}
	if all, err := ParseContainers(""); err != nil || len(all) != 0 {
		t.Errorf("nothing is running: %+v, %v", all, err)
	}
}

func TestExec(t *testing.T) {
	g := guesttest.New(t)
	g.On("atomic", "containers", "list", guesttest.Rest).Prints(containersJSON)
	g.On("/bin/runc", "exec", "hello", "date", "-u").Prints("today\n")
	g.On("podman", "exec", "web", "false").Exits(1)
	if o, err := NewContainers(Atomic, g).Exec(t.Context(), "hello", "date", "-u"); err != nil || o.Output != "today\n" {
		t.Errorf("%+v, %v", o, err)
	}
	var lacks *UnsupportedError
	if _, err := NewContainers(Atomic, g).Exec(t.Context(), "5d", "date"); !errors.As(err, &lacks) {
		t.Errorf("docker's container: %v", err)
	}
	var refused *RefusedError
	if _, err := NewContainers(Atomic, g).Exec(t.Context(), "none", "date"); !errors.As(err, &refused) || refused.Reason != UnknownContainer {
		t.Errorf("no container: %v", err)
	}
	if _, err := NewContainers(Quadlet, g).Exec(t.Context(), "web", "false"); !errors.As(err, &refused) || refused.Result.Exit != 1 {
		t.Errorf("a command that fails: %v", err)
	}
	if _, err := NewContainers(Quadlet, g).Exec(t.Context(), "--all", "false"); err == nil {
		t.Error("an option passed for a name")
	}
}

func TestAtomicImages(t *testing.T) {
	g := guesttest.New(t)
	g.On("atomic", "images", "list", "--no-trunc", "--json").Prints(`[{"repo":"r.test/hello","tag":"1","id":"d7c1","created":"2026","virtual_size":"9 MB","type":"system","backend":"ostree"}]`)
	all, err := NewContainers(Atomic, g).Images(t.Context())
	if err != nil || len(all) != 1 || all[0] != (ContainerImage{Repository: "r.test/hello", Tag: "1", ID: "d7c1", Created: "2026", Size: "9 MB", Type: "system"}) {
		t.Errorf("%+v, %v", all, err)
	}
	table := "   REPOSITORY     TAG      IMAGE ID       CREATED            VIRTUAL SIZE   TYPE\n>  r.test/hello   1        d7c1           2026-11-01 02:03   9 MB           ostree\n"
	if all, err := ParseContainerImages(table); err != nil || len(all) != 1 || all[0].Repository != "r.test/hello" || all[0].Size != "9 MB" {
		t.Errorf("%+v, %v", all, err)
	}
	for _, bad := range []string{"[{", "REPOSITORY\n", "x\n"} {
		if all, err := ParseContainerImages(bad); err == nil {
			t.Errorf("%q gives %+v", bad, all)
		}
	}
}

const unitPath = quadletFolder + "web.container"

func quadletGuest(t *testing.T) (*guesttest.Fake, SystemContainers) {
	g := guesttest.New(t)
	g.On("mkdir", "-p", quadletFolder)
	g.On("systemctl", "daemon-reload")
	g.On("systemctl", "cat", "web.service").Prints("[Service]\n")
	g.TakesFile(unitPath + "*")
	return g, NewContainers(Quadlet, g)
}

func TestQuadlet(t *testing.T) {
	g, s := quadletGuest(t)
	g.On("podman", "pull", "--quiet", "r.test/web:1")
	g.On("systemctl", "start", "web.service")
	g.On("systemctl", "restart", "web.service")
	g.On("systemctl", "stop", "web.service")
	g.On("rm", "-f", "--", unitPath, unitPath+".before")
	g.LacksFile(unitPath)
	web := ContainerOptions{Name: "web", Image: "r.test/web:1", Set: map[string]string{"RECEIVER": `a "b" \ 100%`, "PORT": "8080"}, Publish: []string{"8080:8080"}, Volumes: []string{"/srv:/srv:Z"}}
	step := func(name string, o Outcome, err error) {
		t.Helper()
		if err != nil || !o.Changed {
			t.Fatalf("%s: %+v, %v", name, o, err)
		}
	}
	o, err := s.Pull(t.Context(), "r.test/web:1")
	step("pull", o, err)
	o, err = s.Install(t.Context(), web)
	step("install", o, err)
	unit, _ := g.Written(unitPath)
	for _, line := range []string{"[Container]", "ContainerName=web", "Image=r.test/web:1", `Environment="RECEIVER=a \"b\" \\ 100%%"`, `Environment="PORT=8080"`,
		"PublishPort=8080:8080", "Volume=/srv:/srv:Z", "WantedBy=multi-user.target"} {
		if !strings.Contains(unit, line+"\n") {
			t.Errorf("the unit lacks %s:\n%s", line, unit)
		}
	}
	var refused *RefusedError
	if _, err := s.Install(t.Context(), web); !errors.As(err, &refused) || refused.Reason != NoChange {
		t.Errorf("a second install: %v", err)
	}
	o, err = s.Start(t.Context(), "web")
	step("start", o, err)

	if o, err := s.Update(t.Context(), ContainerOptions{Name: "web", Image: "r.test/web:1"}); err != nil || o.Changed || o.Reason != NoChange {
		t.Errorf("an update to the same: %+v, %v", o, err)
	}
	g.LacksFile(unitPath + ".before")
	if _, err := s.Rollback(t.Context(), "web"); !errors.As(err, &refused) || refused.Reason != NoRollback {
		t.Errorf("rollback before any update: %v", err)
	}
	o, err = s.Update(t.Context(), ContainerOptions{Name: "web", Image: "r.test/web:2", Set: map[string]string{"PORT": "9090"}})
	step("update", o, err)
	now, _ := g.Written(unitPath)
	if !strings.Contains(now, "Image=r.test/web:2\n") || !strings.Contains(now, `"PORT=9090"`) || !strings.Contains(now, `RECEIVER=a \"b\"`) || !strings.Contains(now, "Volume=/srv:/srv:Z") {
		t.Errorf("updated unit:\n%s", now)
	}
	o, err = s.Rollback(t.Context(), "web")
	step("rollback", o, err)
	if back, _ := g.Written(unitPath); back != unit {
		t.Errorf("rolled back to:\n%s", back)
	}
	o, err = s.Rollback(t.Context(), "web")
	step("rollback of the rollback", o, err)
	if again, _ := g.Written(unitPath); again != now {
		t.Errorf("rolled forward to:\n%s", again)
	}
	o, err = s.Uninstall(t.Context(), "web")
	step("uninstall", o, err)
	g.AssertAllUsed()
}

func TestQuadletRefusals(t *testing.T) {
	g, s := quadletGuest(t)
	g.LacksFile(unitPath)
	var refused *RefusedError
	for name, err := range map[string]error{
		"update":    second(s.Update(t.Context(), ContainerOptions{Name: "web", Image: "a"})),
		"rollback":  second(s.Rollback(t.Context(), "web")),
		"uninstall": second(s.Uninstall(t.Context(), "web")),
	} {
		if !errors.As(err, &refused) || refused.Reason != UnknownContainer {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A unit that the generator leaves out is a failure.
	g.On("systemctl", "cat", "web.service").Says("No files found for web.service.\n").Exits(1)
	if _, err := s.Install(t.Context(), ContainerOptions{Name: "web", Image: "a"}); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
	g.On("systemctl", "start", "web.service").Says("Failed to start web.service: Unit web.service not found.\n").Exits(5)
	if _, err := s.Start(t.Context(), "web"); !errors.As(err, &refused) || refused.Reason != UnknownContainer {
		t.Errorf("got %v", err)
	}
	g.On("podman", "pull", "--quiet", "r.test/none").Says("Error: initializing source: reading manifest latest in r.test/none: manifest unknown\n").Exits(125)
	if _, err := s.Pull(t.Context(), "r.test/none"); !errors.As(err, &refused) || refused.Reason != UnknownImage {
		t.Errorf("got %v", err)
	}
	for i, o := range []ContainerOptions{
		{Name: "web"}, {Name: "a b", Image: "a"}, {Name: "web", Image: "a\nExec=evil"}, {Name: "web", Image: "a", Set: map[string]string{"A": "$HOME"}},
		{Name: "web", Image: "a", Volumes: []string{"/x\n[Service]"}}, {Name: "web", Image: "a", RootFS: "/x"},
	} {
		if _, err := s.Install(t.Context(), o); err == nil {
			t.Errorf("%d was written", i)
		}
	}
}

func TestQuadletList(t *testing.T) {
	g, s := quadletGuest(t)
	g.On("sh", "-c", quadletList, "sh", quadletFolder).Prints("Name=web\nImage=r.test/web:1\nLoadState=loaded\nActiveState=failed\nSubState=failed\nActiveEnterTimestamp=\n\n" +
		"Name=db\nImage=r.test/db\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n\n").Then().Prints("What?\n")
	all, err := s.List(t.Context())
	want := []Container{{Name: "web", Image: "r.test/web:1", State: "failed", Backend: "podman", Runtime: "podman"},
		{Name: "db", Image: "r.test/db", State: "not-found", Backend: "podman", Runtime: "podman"}}
	if err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err := s.List(t.Context()); err == nil {
		t.Errorf("got %+v", all)
	}
	g.On("podman", "images", "--format", imageFormat).Prints("r.test/web\t1\tabc\t2026-11-01\t9 MB\n").Then().Prints("odd\n")
	if i, err := s.Images(t.Context()); err != nil || len(i) != 1 || i[0].Repository != "r.test/web" {
		t.Errorf("%+v, %v", i, err)
	}
	if i, err := s.Images(t.Context()); err == nil {
		t.Errorf("got %+v", i)
	}
}
