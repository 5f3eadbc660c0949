package site_test

import (
	"crypto/sha256"
	"os"
	"testing"

	"assay/artifact"
	"assay/release/site"
)

func digest(b []byte) artifact.Digest { return artifact.DigestOf(sha256.Sum256(b)) }

// TestPreview leaves the example where ASSAY_SITE_PREVIEW says, to look at.
func TestPreview(t *testing.T) {
	in, _ := example(t)
	dir := os.Getenv("ASSAY_SITE_PREVIEW")
	if dir == "" {
		dir = t.TempDir() + "/site"
	}
	if err := site.Write(dir, in); err != nil {
		t.Fatal(err)
	}
}
