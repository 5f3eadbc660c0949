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

// Told is the topic and the body of what a teller says.
func Told(t *testing.T, w *Teller, e release.Effect) (topic string, body []byte) {
	t.Helper()
	l, err := w.letter(e)
	if err != nil {
		t.Fatal(err)
	}
	if body, err = json.MarshalIndent(l.messages[0].body, "", "  "); err != nil || len(l.messages) != 1 {
		t.Fatal(len(l.messages), err)
	}
	return l.messages[0].topic, append(body, '\n')
}
