package greenwave

import (
	"encoding/json"
	"errors"
)

// Words is a list that may also be written as one word.
type Words []string

// UnmarshalJSON takes "a" and ["a", "b"].
func (w *Words) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		if *w = nil; one != "" {
			*w = Words{one}
		}
		return nil
	}
	var many []string
	if err := json.Unmarshal(data, &many); err != nil {
		return errors.New("decision_context: want text or a list of texts")
	}
	*w = many
	return nil
}

// Nullable is text that is null in JSON when it is empty.
type Nullable string

// MarshalJSON implements json.Marshaler.
func (n Nullable) MarshalJSON() ([]byte, error) {
	if n == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(n))
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *Nullable) UnmarshalJSON(data []byte) error {
	var s *string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	if *n = ""; s != nil {
		*n = Nullable(*s)
	}
	return nil
}

func (n *Nullable) text() string {
	if n == nil {
		return ""
	}
	return string(*n)
}

func nullable(s string) *Nullable {
	n := Nullable(s)
	return &n
}
