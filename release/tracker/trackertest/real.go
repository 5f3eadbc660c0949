package trackertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// person sends requests by hand, as people's browsers and scripts do.
type person struct {
	base, header, value string
}

func (p person) call(t testing.TB, method, path string, body, out any) {
	t.Helper()
	if err := p.try(method, path, body, out); err != nil {
		t.Fatal(err)
	}
}

func (p person) try(method, path string, body, out any) error {
	var content io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case string:
		content, kind = strings.NewReader(b), "application/x-www-form-urlencoded"
	default:
		j, err := json.Marshal(b)
		if err != nil {
			return err
		}
		content = bytes.NewReader(j)
	}
	req, err := http.NewRequest(method, p.base+path, content)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	if p.header != "" {
		req.Header.Set(p.header, p.value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %.500s", method, path, resp.Status, b)
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *string:
		*out = string(b)
		return nil
	}
	return json.Unmarshal(b, out)
}

func tokenFile(t testing.TB, token string) string {
	f := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(f, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}
