package examples

import (
	"bytes"
	"os"
	"testing"

	"assay/cloudinit"
)

// TestSeed reads the example seed, which docs/seeds.md shows.
func TestSeed(t *testing.T) {
	text, err := os.ReadFile("seed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cloudinit.Parse(text, "seed.yaml"); err != nil {
		t.Error(err)
	}
	page, err := os.ReadFile("../docs/seeds.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(page, append([]byte("```yaml\n"), append(text, "```\n"...)...)) {
		t.Error("docs/seeds.md shows another seed")
	}
}
