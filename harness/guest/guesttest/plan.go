package guesttest

import (
	"fmt"
	"strings"

	"assay/harness/guest"
)

// Wildcards for the arguments of Fake.On. They hold a NUL byte, which no real
// argument can.
const (
	// Any is one argument, whatever it is.
	Any = "\x00any"
	// Rest, as the last one, is any number of further arguments, none too.
	Rest = "\x00rest"
)

const containing = "\x00containing "

// Containing is one argument that has part in it.
func Containing(part string) string { return containing + part }

// Plan is what a command that fits is answered. Its methods return it, so that
// they can be chained: g.On("true").Says("odd\n").Exits(1).
//
// The newest plan that fits answers, so a test can take a healthy guest's
// plans and add what is broken.
type Plan struct {
	args    []string
	user    *string
	answers []*answer
	used    int
	max     int
}

type answer struct {
	result guest.Result
	err    error
	do     func(Call) (guest.Result, error)
}

// On plans the command with exactly these arguments, wildcards apart, by any
// user. Without more words it exits 0 and prints nothing.
func (f *Fake) On(args ...string) *Plan {
	p := &Plan{args: args, answers: []*answer{{}}}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plans = append(f.plans, p)
	return p
}

// HasProgram plans guest.Has for a program that is there.
func (f *Fake) HasProgram(names ...string) {
	for _, n := range names {
		f.onHas(n)
	}
}

// LacksProgram plans guest.Has for a program that is not.
func (f *Fake) LacksProgram(names ...string) {
	for _, n := range names {
		f.onHas(n).Exits(1)
	}
}

func (f *Fake) onHas(name string) *Plan {
	return f.On("sh", "-c", Containing("command -v"), "sh", name)
}

func (p *Plan) last() *answer { return p.answers[len(p.answers)-1] }

// As restricts the plan to commands run by that user; "" is root.
func (p *Plan) As(user string) *Plan { p.user = &user; return p }

// Prints sets the standard output.
func (p *Plan) Prints(stdout string) *Plan { p.last().result.Stdout = stdout; return p }

// Says sets the standard error.
func (p *Plan) Says(stderr string) *Plan { p.last().result.Stderr = stderr; return p }

// Exits sets the exit status.
func (p *Plan) Exits(status int) *Plan { p.last().result.Exit = status; return p }

// Dies ends the command by a signal, named without SIG.
func (p *Plan) Dies(signal string) *Plan {
	p.last().result.Exit, p.last().result.Signal = -1, signal
	return p
}

// Fails answers with an error instead of a result, as a broken connection does.
func (p *Plan) Fails(err error) *Plan { p.last().err = err; return p }

// Does answers with what do returns. do may look at the call and change plans.
func (p *Plan) Does(do func(Call) (guest.Result, error)) *Plan { p.last().do = do; return p }

// Then begins the answer to the next such command; the last answer stays.
func (p *Plan) Then() *Plan { p.answers = append(p.answers, &answer{}); return p }

// Times limits the plan to n commands; further ones look for an older plan.
func (p *Plan) Times(n int) *Plan { p.max = n; return p }

// Used is how many commands the plan has answered.
func (p *Plan) Used() int { return p.used }

func (p *Plan) String() string {
	words := make([]string, len(p.args))
	for i, a := range p.args {
		switch {
		case a == Any:
			words[i] = "<any>"
		case a == Rest:
			words[i] = "<rest>"
		case strings.HasPrefix(a, containing):
			words[i] = "<containing " + strings.TrimPrefix(a, containing) + ">"
		default:
			words[i] = fmt.Sprintf("%q", a)
		}
	}
	return strings.Join(words, " ")
}

func (p *Plan) fits(c Call) bool {
	if p.max > 0 && p.used >= p.max || p.user != nil && *p.user != c.User {
		return false
	}
	for i, want := range p.args {
		switch {
		case want == Rest && i == len(p.args)-1:
			return true
		case i >= len(c.Args):
			return false
		case want == Any:
		case strings.HasPrefix(want, containing):
			if !strings.Contains(c.Args[i], strings.TrimPrefix(want, containing)) {
				return false
			}
		case want != c.Args[i]:
			return false
		}
	}
	return len(p.args) == len(c.Args)
}

// next counts the call and gives its answer; the caller holds the fake's lock.
func (p *Plan) next() *answer {
	a := p.answers[min(p.used, len(p.answers)-1)]
	p.used++
	return a
}
