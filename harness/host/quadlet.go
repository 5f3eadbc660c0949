package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"assay/harness/guest"
)

// quadlet is podman's Quadlet: a file NAME.container, of which a systemd
// generator makes NAME.service (podman-systemd.unit(5)). What was before an
// update is kept beside it, under a name that the generator ignores.
type quadlet struct{ cli }

const (
	quadletFolder = "/etc/containers/systemd/"
	quadletUnit   = ".container"
	quadletBefore = ".container.before"
	// unitLimit bounds a unit file, in bytes.
	unitLimit = 64 << 10
)

func (c quadlet) Pull(ctx context.Context, image string) (Outcome, error) {
	if err := operands(image); err != nil {
		return Outcome{}, err
	}
	return c.do(ctx, "podman", "pull", "--quiet", image)
}

// Install writes the unit and has systemd read it. It is not started, but will
// be by the next boot.
func (c quadlet) Install(ctx context.Context, o ContainerOptions) (Outcome, error) {
	if o.RootFS != "" {
		return Outcome{}, c.lacks("install with a shared root")
	}
	u := quadletFile{}
	if err := u.set(o); err != nil {
		return Outcome{}, err
	}
	_, err := c.read(ctx, o.Name, quadletUnit)
	switch {
	case err == nil:
		return Outcome{Tool: c.tool, Reason: NoChange}, &RefusedError{Tool: c.tool, Args: []string{"quadlet", "install", o.Name}, Reason: NoChange,
			Result: guest.Result{Exit: 1, Stderr: fmt.Sprintf("A container '%s' is already present", o.Name)}}
	case !errors.Is(err, fs.ErrNotExist):
		return Outcome{}, err
	}
	if err := c.write(ctx, o.Name, quadletUnit, u.text(o.Name)); err != nil {
		return Outcome{}, err
	}
	return c.reload(ctx, o.Name)
}

// reload has systemd run the generator, and makes sure that it made a unit: a
// file that it does not understand it leaves out without a word.
func (c quadlet) reload(ctx context.Context, name string) (Outcome, error) {
	if o, err := c.do(ctx, "systemctl", "daemon-reload"); err != nil {
		return o, err
	}
	return c.do(ctx, "systemctl", "cat", name+".service")
}

func (c quadlet) Start(ctx context.Context, name string) (Outcome, error) { return c.start(ctx, name) }

func (c quadlet) Status(ctx context.Context, name string) (Container, error) {
	return statusOf(ctx, c, name)
}

func (c quadlet) Exec(ctx context.Context, name string, command ...string) (Outcome, error) {
	if err := c.checkName(name); err != nil {
		return Outcome{}, err
	}
	return c.do(ctx, append([]string{"podman", "exec", name}, command...)...)
}

// quadletList prints a block of key=value for each unit file.
const quadletList = `cd "$1" 2>/dev/null || exit 0
for f in *.container; do
	[ -e "$f" ] || continue
	n=${f%.container}
	echo "Name=$n"
	sed -n 's/^\(Image\|Exec\)=/\1=/p' "$f"
	systemctl show -p LoadState -p ActiveState -p SubState -p ActiveEnterTimestamp "$n.service"
	echo
done`

func (c quadlet) List(ctx context.Context) ([]Container, error) {
	r, err := c.ask(ctx, "sh", "-c", quadletList, "sh", quadletFolder)
	if err != nil {
		return nil, err
	}
	if !r.OK() {
		return nil, c.refused([]string{"ls", quadletFolder}, r)
	}
	return parseQuadlets(r.Stdout)
}

func parseQuadlets(text string) (all []Container, err error) {
	for n, line := range lines(text) {
		key, value, ok := strings.Cut(line, "=")
		switch {
		case line == "":
			continue
		case key == "Name" && ok:
			all = append(all, Container{Name: value, Backend: "podman", Runtime: "podman"})
			continue
		case !ok || len(all) == 0:
			return nil, fmt.Errorf("cannot read the list of units: line %d: %.120q", n+1, line)
		}
		con := &all[len(all)-1]
		switch key {
		case "Image":
			con.Image = value
		case "Exec":
			con.Command = value
		case "ActiveEnterTimestamp":
			con.Created = value
		case "ActiveState":
			con.Running = value == "active"
			if con.State == "" {
				con.State = value
			}
		case "LoadState":
			// A unit that the generator did not make has no state but this.
			if value != "loaded" {
				con.State = value
			}
		case "SubState":
			if con.Running {
				con.State = value
			}
		}
	}
	return all, nil
}

// Update writes the changed unit, keeps the one before and restarts the
// container, if there is anything to change.
func (c quadlet) Update(ctx context.Context, o ContainerOptions) (Outcome, error) {
	if err := c.checkName(o.Name); err != nil {
		return Outcome{}, err
	}
	was, err := c.read(ctx, o.Name, quadletUnit)
	if err != nil {
		return Outcome{}, c.missing(err, o.Name, UnknownContainer)
	}
	u := readQuadlet(was)
	if err := u.set(o); err != nil {
		return Outcome{}, err
	}
	now := u.text(o.Name)
	if now == was {
		return Outcome{Tool: c.tool, Reason: NoChange}, nil
	}
	if err := c.write(ctx, o.Name, quadletBefore, was); err != nil {
		return Outcome{}, err
	}
	return c.replace(ctx, o.Name, now)
}

// Rollback changes places between the unit and the one before.
func (c quadlet) Rollback(ctx context.Context, name string) (Outcome, error) {
	if err := c.checkName(name); err != nil {
		return Outcome{}, err
	}
	now, err := c.read(ctx, name, quadletUnit)
	if err != nil {
		return Outcome{}, c.missing(err, name, UnknownContainer)
	}
	before, err := c.read(ctx, name, quadletBefore)
	if err != nil {
		return Outcome{}, c.missing(err, name, NoRollback)
	}
	if err := c.write(ctx, name, quadletBefore, now); err != nil {
		return Outcome{}, err
	}
	return c.replace(ctx, name, before)
}

// replace writes the unit and restarts the container.
func (c quadlet) replace(ctx context.Context, name, text string) (Outcome, error) {
	if err := c.write(ctx, name, quadletUnit, text); err != nil {
		return Outcome{}, err
	}
	if o, err := c.reload(ctx, name); err != nil {
		return o, err
	}
	return c.do(ctx, "systemctl", "restart", name+".service")
}

func (c quadlet) Uninstall(ctx context.Context, name string) (Outcome, error) {
	if err := c.checkName(name); err != nil {
		return Outcome{}, err
	}
	if _, err := c.read(ctx, name, quadletUnit); err != nil {
		return Outcome{}, c.missing(err, name, UnknownContainer)
	}
	for _, args := range [][]string{
		{"systemctl", "stop", name + ".service"},
		{"rm", "-f", "--", quadletFolder + name + quadletUnit, quadletFolder + name + quadletBefore},
	} {
		if o, err := c.do(ctx, args...); err != nil {
			return o, err
		}
	}
	return c.do(ctx, "systemctl", "daemon-reload")
}

// imageFormat is a row of `podman images`, its cells separated by tabs.
const imageFormat = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedAt}}\t{{.Size}}"

func (c quadlet) Images(ctx context.Context) ([]ContainerImage, error) {
	args := []string{"podman", "images", "--format", imageFormat}
	r, err := c.ask(ctx, args...)
	if err != nil {
		return nil, err
	}
	if !r.OK() {
		return nil, c.refused(args, r)
	}
	var all []ContainerImage
	for n, line := range strings.Split(r.Stdout, "\n") {
		if line == "" {
			continue
		}
		cells := strings.Split(line, "\t")
		if len(cells) != 5 {
			return nil, fmt.Errorf("cannot read podman's images: line %d: %.120q has %d cells", n+1, line, len(cells))
		}
		all = append(all, ContainerImage{Repository: cells[0], Tag: cells[1], ID: cells[2], Created: cells[3], Size: cells[4], Type: "podman"})
	}
	return all, nil
}

func (c quadlet) Prune(ctx context.Context) (Outcome, error) {
	return c.do(ctx, "podman", "image", "prune", "--force")
}

func (c quadlet) read(ctx context.Context, name, suffix string) (string, error) {
	b, err := c.g.ReadFile(ctx, quadletFolder+name+suffix, unitLimit)
	return string(b), err
}

func (c quadlet) write(ctx context.Context, name, suffix, text string) error {
	// Not every image ships the folder.
	if _, err := guest.Output(ctx, c.g, "mkdir", "-p", quadletFolder); err != nil {
		return err
	}
	return c.g.WriteFile(ctx, quadletFolder+name+suffix, bytes.NewReader([]byte(text)), 0o644)
}

// missing turns a file that is not there into the refusal it means.
func (c quadlet) missing(err error, name string, reason Reason) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	said := fmt.Sprintf("there is no container '%s'", name)
	if reason == NoRollback {
		said = fmt.Sprintf("container '%s' was never updated", name)
	}
	return &RefusedError{Tool: c.tool, Args: []string{"quadlet", name}, Reason: reason, Result: guest.Result{Exit: 1, Stderr: said}}
}

// quadletFile is what a unit file of ours holds.
type quadletFile struct {
	image            string
	settings         map[string]string
	publish, volumes []string
}

// set takes over what is set in o.
func (u *quadletFile) set(o ContainerOptions) error {
	if _, err := o.settings(); err != nil {
		return err
	}
	values := slices.Concat([]string{o.Image}, o.Publish, o.Volumes, slices.Collect(maps.Values(o.Set)))
	for _, v := range values {
		// The generator passes values through systemd's command line, which
		// would replace variables in them.
		if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f || r == '$' }) {
			return fmt.Errorf("cannot write %q to a unit: it has a control character or a dollar sign", v)
		}
	}
	if o.Image != "" {
		u.image = o.Image
	}
	if u.image == "" {
		return fmt.Errorf("cannot install container %s: no image is named", o.Name)
	}
	if u.settings == nil {
		u.settings = map[string]string{}
	}
	maps.Copy(u.settings, o.Set)
	if o.Publish != nil {
		u.publish = o.Publish
	}
	if o.Volumes != nil {
		u.volumes = o.Volumes
	}
	return nil
}

// Quoting of systemd.syntax(7), and no specifiers.
var (
	quoteUnit   = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`)
	unquoteUnit = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `%%`, `%`)
)

func (u *quadletFile) text(name string) string {
	var b strings.Builder
	specifiers := strings.NewReplacer(`%`, `%%`)
	fmt.Fprintf(&b, "[Unit]\nDescription=System container %s\n\n[Container]\nContainerName=%s\nImage=%s\n", name, name, specifiers.Replace(u.image))
	for _, key := range slices.Sorted(maps.Keys(u.settings)) {
		fmt.Fprintf(&b, "Environment=\"%s=%s\"\n", key, quoteUnit.Replace(u.settings[key]))
	}
	for _, p := range u.publish {
		fmt.Fprintf(&b, "PublishPort=%s\n", specifiers.Replace(p))
	}
	for _, v := range u.volumes {
		fmt.Fprintf(&b, "Volume=%s\n", specifiers.Replace(v))
	}
	b.WriteString("\n[Service]\nRestart=on-failure\n\n[Install]\nWantedBy=multi-user.target\n")
	return b.String()
}

// readQuadlet reads a unit file that text wrote.
func readQuadlet(text string) quadletFile {
	u := quadletFile{settings: map[string]string{}}
	plain := strings.NewReplacer(`%%`, `%`)
	for _, line := range strings.Split(text, "\n") {
		key, value, _ := strings.Cut(line, "=")
		switch key {
		case "Image":
			u.image = plain.Replace(value)
		case "Environment":
			value = strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`)
			name, v, _ := strings.Cut(value, "=")
			u.settings[name] = unquoteUnit.Replace(v)
		case "PublishPort":
			u.publish = append(u.publish, plain.Replace(value))
		case "Volume":
			u.volumes = append(u.volumes, plain.Replace(value))
		}
	}
	return u
}
