package bugzilla

import (
	"testing"

	"assay/release/tracker"
	"assay/release/tracker/trackertest"
)

func TestStandIn(t *testing.T) { trackertest.Run(t, New, trackertest.StandIn(tracker.Bugzilla)) }
