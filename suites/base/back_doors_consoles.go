package base

import (
	"fmt"
	"regexp"
	"strings"

	"assay/suites/probe"
)

var (
	autologin = regexp.MustCompile(`getty\b.*\s(?:--autologin(?:=|\s+)|-a\s*)([^\s;-]\S*)`)
	unitBlock = regexp.MustCompile(`(?m)^unit `)
	// trusted is a login that is told that the user is known already: -f among
	// login's own options, or those that agetty gives it. systemctl may or may not
	// quote what belongs together; a path after -f is agetty's, a file to show.
	trusted = regexp.MustCompile(`(?:getty\b.*\s(?:-o|--login-options)[=\s]*|/login\s+)["']?(?:-[A-Za-z]+\s+)*-[A-Za-z]*f[A-Za-z]*\s+(?:--\s+)?["']?([^\s/"';-][^\s"';]*)`)
	// promptless is an agetty that asks for no name, as login then does, and
	// otherLogin what it starts in login's place.
	promptless = regexp.MustCompile(`getty\b.*\s(?:--skip-login|-n)\s`)
	otherLogin = regexp.MustCompile(`getty\b.*\s(?:--login-program|-l)[=\s]*["']?(/[^\s"';]+)`)
	// unitProgram is what a unit starts, bareShell a shell that does so, and wrapped
	// one that starts a program which asks who is there.
	unitProgram = regexp.MustCompile(`path=(\S+)`)
	bareShell   = regexp.MustCompile(`/((ba|da|z|k|mk|c|tc|fi|a)?sh|rbash|busybox)$`)
	wrapped     = regexp.MustCompile(`\s-\w*c\s.*[\s/"'](\w*getty|(su)?login)\b|/busybox\s+(getty|login|sulogin)\b`)
)

// openConsole is how a console's command lets people in without asking who they
// are, if it does. agetty's -n alone does not: login asks then.
func openConsole(command string) string {
	var program string
	if m := unitProgram.FindStringSubmatch(command); m != nil {
		program = m[1]
	}
	if m := autologin.FindStringSubmatch(command); m != nil {
		return fmt.Sprintf("logs %s in without asking for a password (autologin of agetty)", m[1])
	}
	if m := trusted.FindStringSubmatch(command); m != nil {
		return fmt.Sprintf("logs %s in without asking for a password (login -f)", m[1])
	}
	if m := otherLogin.FindStringSubmatch(command); m != nil && promptless.MatchString(command) && !asksWho(m[1]) {
		return fmt.Sprintf("gives whoever is at the console %s, and asks for no name (--skip-login of agetty)", m[1])
	}
	if bareShell.MatchString(program) && !wrapped.MatchString(command) {
		return fmt.Sprintf("gives whoever is at the console a shell (%s)", program)
	}
	return ""
}

// asksWho reports whether a program is one that asks for a name or a password.
func asksWho(program string) bool {
	return strings.HasSuffix(program, "/login") || strings.HasSuffix(program, "/sulogin")
}

// openConsoles are consoles that run, or will at the next boot, and ask nobody
// who they are.
func openConsoles(out string) (bad []string) {
	for _, block := range strings.Split(out, "\n\n") {
		if !strings.Contains(block, "unit Id=") {
			continue
		}
		p := probe.Pairs(unitBlock.ReplaceAllString(block, ""))
		if on := p["ActiveState"] == "active" || p["ActiveState"] == "activating" || strings.HasPrefix(p["UnitFileState"], "enabled"); !on {
			continue
		}
		if p["Id"] == "debug-shell.service" {
			bad = append(bad, "debug-shell.service gives whoever is at the console a root shell; disable it")
		} else if how := openConsole(p["ExecStart"]); how != "" {
			bad = append(bad, fmt.Sprintf("unit %s %s", p["Id"], how))
		}
	}
	return bad
}
