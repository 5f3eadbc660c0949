package base

// missing is probe.Missing as scripts write it: the program a question needs
// is not there.
const missing = "127"
