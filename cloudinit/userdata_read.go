package cloudinit

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
)

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
