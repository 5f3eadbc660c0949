// Package reports holds the vocabulary of a run's result (case, outcome, fault,
// verdict) and renders it: results.json, JUnit, TAP and a self-contained page.
//
// It never decides by itself what happened in a guest: it is told, folds cases
// into a verdict by one rule (see Judge) and writes. It needs nothing of the
// host but a folder to write into.
package reports
