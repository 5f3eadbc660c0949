package announce

import (
	"context"
	"encoding/json"
	"testing"

	"assay/release"
)

// Messages are the bodies that an announcement makes, by topic.
func Messages(t *testing.T, o Options, e release.Effect, forms ...Form) map[string][]byte {
	t.Helper()
	a, err := newAnnouncement(context.Background(), o, e)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, m := range a.messages(forms, "43") {
		b, err := json.Marshal(m.body)
		if m.topic[:5] == "assay" {
			b, err = json.MarshalIndent(m.body, "", "  ")
			b = append(b, '\n')
		}
		if err != nil {
			t.Fatal(err)
		}
		out[m.topic] = b
	}
	return out
}
