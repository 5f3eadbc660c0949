package web

import (
	"strings"

	"github.com/onsi/gomega"

	"assay/suites/check"
)

// assert runs f with Gomega's matchers; the first assertion that does not hold is the
// image's failure, with its description ("the page") as the message.
//
// Assert what the guest said. That it could not be asked is no fault of the
// image: f returns such errors as they are.
func assert(f func(g gomega.Gomega) error) (err error) {
	type broken struct{ message string }
	defer func() {
		switch p := recover().(type) {
		case nil:
		case broken:
			lines := strings.Split(p.message, "\n")
			if strings.HasPrefix(lines[0], "Timed out after") && len(lines) > 1 {
				lines = lines[1:] // Eventually's own words stand before the description
			}
			err = check.FailWith(p.message, "%s", lines[0])
		default:
			panic(p)
		}
	}()
	return f(gomega.NewGomega(func(message string, _ ...int) { panic(broken{message}) }))
}
