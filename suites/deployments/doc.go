// Package deployments is what the suites that change a host's tree share: the
// tools of a guest as hosts to be upgraded, rolled back and set to other
// versions, and what must be true of their deployments before and after.
//
// It speaks of deployments and trees, not of commands: those are package
// host's. A tool that refuses what it should do is the image's fault, our own
// server that does not answer is the infrastructure's.
package deployments
