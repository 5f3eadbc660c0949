package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"assay/harness/guest"
)

// atomic is the atomic program, with system containers in ostree storage.
type atomic struct{ cli }

func (c atomic) Pull(ctx context.Context, image string) (Outcome, error) {
	if err := operands(image); err != nil {
		return Outcome{}, err
	}
	return c.do(ctx, "atomic", "pull", "--storage=ostree", image)
}

func (c atomic) Install(ctx context.Context, o ContainerOptions) (Outcome, error) {
	settings, err := o.settings()
	if err != nil {
		return Outcome{}, err
	}
	if len(o.Publish)+len(o.Volumes) > 0 {
		return Outcome{}, c.lacks("install with ports or volumes of its own")
	}
	args := []string{"atomic", "install", "--system", "--name=" + o.Name}
	if o.RootFS != "" {
		args = append(args, "--rootfs="+o.RootFS)
	}
	return c.do(ctx, append(append(args, settings...), o.Image)...)
}

// settings are the options for Set, after a look at all that is passed on.
func (o ContainerOptions) settings() (args []string, err error) {
	if !safeName.MatchString(o.Name) {
		return nil, fmt.Errorf("cannot name a system container %q: a unit's name has letters, digits and _.-", o.Name)
	}
	if err := operands(o.Image); err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(o.Set)) {
		if !safeKey.MatchString(key) {
			return nil, fmt.Errorf("cannot set %q: a setting's name has letters, digits and _", key)
		}
		args = append(args, "--set="+key+"="+o.Set[key])
	}
	return args, nil
}

var (
	safeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	safeKey  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func (c cli) checkName(name string) error {
	_, err := ContainerOptions{Name: name}.settings()
	return err
}

func (c atomic) Start(ctx context.Context, name string) (Outcome, error) { return c.start(ctx, name) }

// start starts the unit of a container and waits until systemd says it is up.
func (c cli) start(ctx context.Context, name string) (Outcome, error) {
	if err := c.checkName(name); err != nil {
		return Outcome{}, err
	}
	return c.do(ctx, "systemctl", "start", name+".service")
}

func (c atomic) Status(ctx context.Context, name string) (Container, error) {
	return statusOf(ctx, c, name)
}

// statusOf finds one container in the list.
func statusOf(ctx context.Context, c SystemContainers, name string) (Container, error) {
	all, err := c.List(ctx)
	if err != nil {
		return Container{}, err
	}
	for _, con := range all {
		if con.Name == name {
			return con, nil
		}
	}
	return Container{}, unknownContainer(c.Tool(), name)
}

// unknownContainer is the refusal where the tool has no words for it.
func unknownContainer(t Tool, name string) error {
	return &RefusedError{Tool: t, Args: []string{string(t), "status", name}, Reason: UnknownContainer,
		Result: guest.Result{Exit: 1, Stderr: fmt.Sprintf("there is no container '%s'", name)}}
}

// Exec asks the OCI runtime that the container's unit calls: atomic itself has
// no word for it.
func (c atomic) Exec(ctx context.Context, name string, command ...string) (Outcome, error) {
	s, err := c.Status(ctx, name)
	if err != nil {
		return Outcome{}, err
	}
	switch path.Base(s.Runtime) {
	case "runc", "crun":
		return c.do(ctx, append([]string{s.Runtime, "exec", name}, command...)...)
	}
	return Outcome{}, c.lacks(Operation("exec in a container of runtime \"" + s.Runtime + "\""))
}

// List asks for JSON, and takes the table of an atomic that does not know the
// option (before 1.15).
func (c atomic) List(ctx context.Context) ([]Container, error) {
	out, err := c.table(ctx, "atomic", "containers", "list", "--all", "--no-trunc", "--json")
	if err != nil {
		return nil, err
	}
	return ParseContainers(out)
}

func (c atomic) Update(ctx context.Context, o ContainerOptions) (Outcome, error) {
	settings, err := o.settings()
	if err != nil {
		return Outcome{}, err
	}
	if o.RootFS != "" || len(o.Publish)+len(o.Volumes) > 0 {
		return Outcome{}, c.lacks("update of what is neither image nor setting")
	}
	args := []string{"atomic", "containers", "update"}
	if o.Image != "" {
		args = append(args, "--rebase="+o.Image)
	}
	return c.do(ctx, append(append(args, settings...), o.Name)...)
}

func (c atomic) Rollback(ctx context.Context, name string) (Outcome, error) {
	if err := c.checkName(name); err != nil {
		return Outcome{}, err
	}
	return c.do(ctx, "atomic", "containers", "rollback", name)
}

func (c atomic) Uninstall(ctx context.Context, name string) (Outcome, error) {
	if err := c.checkName(name); err != nil {
		return Outcome{}, err
	}
	o, err := c.do(ctx, "atomic", "uninstall", name)
	// atomic looks for an image of that name when there is no container.
	var refused *RefusedError
	if errors.As(err, &refused) && refused.Reason == UnknownImage {
		refused.Reason, o.Reason = UnknownContainer, UnknownContainer
	}
	return o, err
}

func (c atomic) Images(ctx context.Context) ([]ContainerImage, error) {
	out, err := c.table(ctx, "atomic", "images", "list", "--no-trunc", "--json")
	if err != nil {
		return nil, err
	}
	return ParseContainerImages(out)
}

func (c atomic) Prune(ctx context.Context) (Outcome, error) {
	return c.do(ctx, "atomic", "images", "prune")
}

// table asks with --json as the last word, and without it where that is not known.
func (c atomic) table(ctx context.Context, args ...string) (string, error) {
	r, err := c.ask(ctx, args...)
	if err == nil && !r.OK() && !knows(args, r.Stderr) {
		args = args[:len(args)-1]
		r, err = c.ask(ctx, args...)
	}
	if err == nil && !r.OK() {
		err = c.refused(args, r)
	}
	return r.Stdout, err
}

// do runs a command that changes containers.
func (c cli) do(ctx context.Context, args ...string) (Outcome, error) {
	o, r, err := c.change(ctx, false, args...)
	if err != nil {
		return o, err
	}
	if !r.OK() {
		return o, c.failed(&o, r)
	}
	o.Reason = nothingIn(o.Output)
	o.Changed = o.Reason == ""
	return o, nil
}

// ParseContainers reads `atomic containers list`, as JSON or as a table.
// Tables cut long values short unless asked not to; an empty one is none.
func ParseContainers(text string) (all []Container, err error) {
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		var in []struct {
			ID      string `json:"id"`
			ImageID string `json:"image_id"`
			Image   string `json:"image_name"`
			Name    string `json:"name"`
			// Command is a list of words in some versions.
			Command json.RawMessage `json:"command"`
			Created string          `json:"created"`
			State   string          `json:"state"`
			Backend string          `json:"backend"`
			Runtime string          `json:"runtime"`
			Running bool            `json:"running"`
		}
		if err := json.Unmarshal([]byte(text), &in); err != nil {
			return nil, fmt.Errorf("cannot read atomic's containers: %w", err)
		}
		for i, c := range in {
			name := first(c.Name, c.ID)
			if name == "" {
				return nil, fmt.Errorf("cannot read atomic's containers: container %d has no name", i)
			}
			all = append(all, Container{Name: name, Image: c.Image, ImageID: c.ImageID, Command: words(c.Command), Created: c.Created,
				State: c.State, Running: c.Running, Backend: c.Backend, Runtime: c.Runtime})
		}
		return all, nil
	}
	// Every version's table ends with the runtime; docker's does not.
	rows, err := columns(text, "RUNTIME", "CONTAINER ID", "IMAGE", "NAME", "COMMAND", "CREATED", "STATE", "STATUS", "BACKEND")
	if err != nil {
		return nil, fmt.Errorf("cannot read atomic's containers: %w", err)
	}
	for _, r := range rows {
		c := Container{Name: first(r["NAME"], r["CONTAINER ID"]), Image: r["IMAGE"], Command: r["COMMAND"], Created: r["CREATED"],
			State: first(r["STATE"], r["STATUS"]), Backend: r["BACKEND"], Runtime: r["RUNTIME"]}
		c.Running = c.State == "running"
		if c.Name == "" || c.State == "" {
			return nil, fmt.Errorf("cannot read atomic's containers: %+v has no name or no state", c)
		}
		all = append(all, c)
	}
	return all, nil
}

// words are the words of a command that is a text or a list.
func words(raw json.RawMessage) string {
	var text string
	var list []string
	if json.Unmarshal(raw, &text) != nil && json.Unmarshal(raw, &list) == nil {
		text = strings.Join(list, " ")
	}
	return text
}

// ParseContainerImages reads `atomic images list`, as JSON or as a table.
func ParseContainerImages(text string) (all []ContainerImage, err error) {
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		var in []struct {
			Repo    string `json:"repo"`
			Tag     string `json:"tag"`
			ID      string `json:"id"`
			Created string `json:"created"`
			Size    string `json:"virtual_size"`
			Type    string `json:"type"`
			Backend string `json:"backend"`
		}
		if err := json.Unmarshal([]byte(text), &in); err != nil {
			return nil, fmt.Errorf("cannot read atomic's images: %w", err)
		}
		for _, i := range in {
			all = append(all, ContainerImage{Repository: i.Repo, Tag: i.Tag, ID: i.ID, Created: i.Created, Size: i.Size, Type: first(i.Type, i.Backend)})
		}
		return all, nil
	}
	rows, err := columns(text, "TYPE", "REPOSITORY", "TAG", "IMAGE ID", "CREATED", "VIRTUAL SIZE")
	if err != nil {
		return nil, fmt.Errorf("cannot read atomic's images: %w", err)
	}
	for _, r := range rows {
		if r["REPOSITORY"] == "" || r["IMAGE ID"] == "" {
			return nil, fmt.Errorf("cannot read atomic's images: %v has no repository or no id", r)
		}
		all = append(all, ContainerImage{Repository: r["REPOSITORY"], Tag: r["TAG"], ID: r["IMAGE ID"], Created: r["CREATED"],
			Size: r["VIRTUAL SIZE"], Type: r["TYPE"]})
	}
	return all, nil
}

// columns reads a table whose head has the needed name and some of the others;
// a column goes from its name to the next. Marks before the first column are left out. No
// text at all is no row.
func columns(text, needed string, names ...string) (rows []map[string]string, err error) {
	type column struct {
		name string
		at   int
	}
	var head []column
	for n, line := range lines(text) {
		if line == "" {
			continue
		}
		cells := []rune(line)
		if head == nil {
			for _, name := range append(names, needed) {
				if i := strings.Index(line, name); i >= 0 {
					head = append(head, column{name, len([]rune(line[:i]))})
				}
			}
			slices.SortFunc(head, func(a, b column) int { return a.at - b.at })
			if len(head) < 3 || !strings.Contains(line, needed) {
				return nil, fmt.Errorf("line %d: %.120q is no head that is known", n+1, line)
			}
			head[0].at = 0
			continue
		}
		row := map[string]string{}
		for i, c := range head {
			end := len(cells)
			if i+1 < len(head) {
				end = min(end, head[i+1].at)
			}
			if c.at >= len(cells) {
				continue
			}
			if c.at > 0 && cells[c.at-1] != ' ' {
				return nil, fmt.Errorf("line %d: %.120q does not stand in columns", n+1, line)
			}
			row[c.name] = strings.TrimSpace(string(cells[c.at:end]))
		}
		row[head[0].name] = strings.TrimLeft(row[head[0].name], "*> ")
		rows = append(rows, row)
	}
	return rows, nil
}
