package cloudinit

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
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

// userDataMarks are the first bytes by which cloud-init tells a document that
// is not a multi-part. Source: cloud-init, handlers' INCLUSION_TYPES_MAP.
var userDataMarks = []struct{ mark, kind string }{
	{"#cloud-config-archive", "cloud-config archive"},
	{"#cloud-config-jsonp", "cloud-config patch"},
	{"#cloud-config", "cloud-config"},
	{"#cloud-boothook", "boot hook"},
	{"#include-once", "include"},
	{"#include", "include"},
	{"#part-handler", "part handler"},
	{"## template: jinja", "template"},
	{"#!", "shell script"},
	{"\x1f\x8b", "gzip"},
}

// maxParts and maxPartDepth bound a multi-part that others made.
const maxParts, maxPartDepth = 256, 4

func describeUserData(data []byte, depth int) (string, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return "empty", nil
	}
	for _, m := range userDataMarks {
		if !bytes.HasPrefix(data, []byte(m.mark)) {
			continue
		}
		if m.kind == "cloud-config" {
			return m.kind, checkCloudConfig(data)
		}
		return m.kind, nil
	}
	head := data[:min(len(data), 4096)]
	if bytes.Contains(bytes.ToLower(head), []byte("mime-version:")) {
		return describeMultipart(data, depth)
	}
	return "", errors.New("starts with nothing that cloud-init knows, such as #cloud-config")
}

func checkCloudConfig(data []byte) error {
	doc, err := parseYAML(data, "")
	var ie *InputError
	if errors.As(err, &ie) && ie.Line == 0 && ie.Err.Error() == "is empty" {
		return nil // only the header: nothing is asked for
	}
	if err != nil {
		return err
	}
	if keysOf(doc) == nil {
		return errors.New("cloud-config is not a mapping")
	}
	return nil
}

func describeMultipart(data []byte, depth int) (string, error) {
	if depth >= maxPartDepth {
		return "", errors.New("nests multi-parts too deep")
	}
	msg, err := mail.ReadMessage(bufio.NewReader(bytes.NewReader(data)))
	if err != nil {
		return "", fmt.Errorf("is not a MIME message: %w", err)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		return "", errors.New("is a MIME message that is not multi-part")
	}
	var kinds []string
	r := multipart.NewReader(msg.Body, params["boundary"])
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("cannot read part %d: %w", len(kinds)+1, err)
		}
		if len(kinds) == maxParts {
			return "", fmt.Errorf("has more than %d parts", maxParts)
		}
		kind, err := describePart(part)
		if err != nil {
			return "", fmt.Errorf("part %d: %w", len(kinds)+1, err)
		}
		kinds = append(kinds, kind)
	}
	if len(kinds) == 0 {
		return "", errors.New("is a multi-part without parts")
	}
	return "multi-part (" + strings.Join(kinds, ", ") + ")", nil
}

func describePart(part *multipart.Part) (string, error) {
	var body io.Reader = part
	if strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "base64") {
		body = base64.NewDecoder(base64.StdEncoding, part)
	}
	data, err := io.ReadAll(io.LimitReader(body, MaxDocument+1))
	if err != nil {
		return "", err
	}
	if len(data) > MaxDocument {
		return "", fmt.Errorf("is larger than %d bytes", MaxDocument)
	}
	kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
	if err != nil {
		return "", fmt.Errorf("has no media type: %w", err)
	}
	if kind == "text/cloud-config" {
		err = checkCloudConfig(data)
	}
	return strings.TrimPrefix(strings.TrimPrefix(kind, "text/"), "x-"), err
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
