package gitea

import (
	"testing"

	"assay/release/tracker/trackertest"
)

func TestRealServer(t *testing.T) { trackertest.Run(t, New, trackertest.Gitea(t)) }
