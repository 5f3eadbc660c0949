package cloudinit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Format says which kind of seed the volume is by its name, which cloud-init
// compares without case; false when it is neither.
func (v *Volume) Format() (Format, bool) {
	for _, f := range Formats() {
		if strings.EqualFold(v.Label, f.Label()) {
			return f, true
		}
	}
	return "", false
}

// Document returns the content of the file called name.
func (v *Volume) Document(name string) ([]byte, bool) {
	for _, d := range v.Documents {
		if d.Name == name {
			return d.Data, true
		}
	}
	return nil, false
}

// Check says everything that would keep cloud-init from using the volume, as
// InputErrors joined; nil when it would be used. It accepts what cloud-init does,
// also what this package never writes.
func (v *Volume) Check() error {
	var p problems
	f, ok := v.Format()
	if !ok {
		p.add("", "the volume is called %.40q; cloud-init looks for %s or %s", v.Label, NoCloud.Label(), ConfigDrive.Label())
		return p.err()
	}
	if f == NoCloud {
		v.checkNoCloud(&p)
	} else {
		v.checkConfigDrive(&p)
	}
	return p.err()
}

func (v *Volume) checkNoCloud(p *problems) {
	if meta, ok := v.Document("meta-data"); !ok {
		p.add("meta-data", "is missing; cloud-init then passes the volume by")
	} else {
		v.checkMeta(p, meta)
	}
	if user, ok := v.Document("user-data"); !ok {
		p.add("user-data", "is missing; cloud-init then passes the volume by")
	} else if _, err := describeUserData(user, 0); err != nil {
		p.add("user-data", "%v", err)
	}
	for _, name := range []string{"network-config", "vendor-data"} {
		data, ok := v.Document(name)
		if !ok || len(bytes.TrimSpace(data)) == 0 {
			continue
		}
		if _, err := describe(name, data); err != nil {
			p.add(name, "%v", err)
		}
	}
}

func (v *Volume) checkMeta(p *problems, meta []byte) {
	keys, err := yamlKeys(meta)
	switch {
	case err != nil:
		p.add("meta-data", "%v", err)
	case keys["instance-id"] == nil:
		p.add("meta-data", "has no instance-id; every boot would be taken for the same instance")
	}
}

func (v *Volume) checkConfigDrive(p *problems) {
	const dir = "openstack/latest/"
	meta, ok := v.Document(dir + "meta_data.json")
	if !ok {
		p.add(dir+"meta_data.json", "is missing; cloud-init then passes the volume by")
	}
	var m struct {
		UUID string `json:"uuid"`
	}
	if err := json.Unmarshal(meta, &m); ok && err != nil {
		p.add(dir+"meta_data.json", "is not JSON: %v", err)
	} else if ok && m.UUID == "" {
		p.add(dir+"meta_data.json", "has no uuid, which is the instance id")
	}
	for _, d := range v.Documents {
		if !strings.HasPrefix(d.Name, "openstack/") {
			continue
		}
		if _, err := describe(d.Name, d.Data); err != nil {
			p.add(d.Name, "%v", err)
		}
	}
}

// Describe says what the document is, by its name and its first lines, and
// nothing of what it holds: "cloud-config", "network-config version 2".
func (d Document) Describe() string {
	kind, err := describe(d.Name, d.Data)
	if err != nil {
		return "unusable: " + err.Error()
	}
	return kind
}

func describe(name string, data []byte) (string, error) {
	base := name[strings.LastIndex(name, "/")+1:]
	switch {
	case base == "user-data" || base == "user_data" || base == "vendor-data":
		return describeUserData(data, 0)
	case base == "meta-data":
		if _, err := yamlKeys(data); err != nil {
			return "", err
		}
		return "meta-data", nil
	case base == "network-config":
		return describeNetwork(data)
	case strings.HasSuffix(base, ".json"):
		if !json.Valid(data) {
			return "", errors.New("is not JSON")
		}
		return "JSON", nil
	}
	return "file", nil
}

func describeNetwork(data []byte) (string, error) {
	keys, err := yamlKeys(data)
	if err != nil {
		return "", err
	}
	if inner, ok := keys["network"]; ok { // the whole may stand below one key
		if keys = keysOf(inner); keys == nil {
			return "", errors.New("network is not a mapping")
		}
	}
	version := keys["version"]
	if version == nil {
		return "", errors.New("has no version")
	}
	switch v := version.GetToken().Value; v {
	case "1", "2":
		return "network-config version " + v, nil
	default:
		return "", fmt.Errorf("has version %.20q, want 1 or 2", v)
	}
}

func yamlKeys(data []byte) (map[string]ast.Node, error) {
	doc, err := parseYAML(data, "")
	if err != nil {
		return nil, err
	}
	keys := keysOf(doc)
	if keys == nil {
		return nil, errors.New("is not a mapping")
	}
	return keys, nil
}

// keysOf returns the values of a mapping by key; nil when n is not a mapping.
func keysOf(n ast.Node) map[string]ast.Node {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		return nil
	}
	keys := map[string]ast.Node{}
	for _, v := range values {
		keys[v.Key.GetToken().Value] = v.Value
	}
	return keys
}
