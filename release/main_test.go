package release_test

import (
	"flag"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	// The default of 30 steps is too short for a history with releases in it.
	// Fewer of them keep it fast; -rapid.checks=5000 looks further.
	for name, value := range map[string]string{"rapid.steps": "120", "rapid.checks": "15"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
