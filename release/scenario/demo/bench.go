package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
)

// bench lets the test kits work outside of a test: what they want of testing.TB
// beyond this panics.
type bench struct {
	testing.TB
	dir     string
	cleanup []func()
}

func (b *bench) Helper()                  {}
func (b *bench) Context() context.Context { return context.Background() }
func (b *bench) Cleanup(f func())         { b.cleanup = append(b.cleanup, f) }

func (b *bench) TempDir() string {
	dir, err := os.MkdirTemp(b.dir, "")
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

func (b *bench) Fatal(args ...any) {
	b.close()
	fmt.Fprintln(os.Stderr, append([]any{"release-demo:"}, args...)...)
	os.Exit(1)
}

func (b *bench) Fatalf(format string, args ...any) { b.Fatal(fmt.Sprintf(format, args...)) }
func (b *bench) Errorf(format string, args ...any) { b.Fatalf(format, args...) }

func (b *bench) close() {
	for _, f := range slices.Backward(b.cleanup) {
		f()
	}
	b.cleanup = nil
}
