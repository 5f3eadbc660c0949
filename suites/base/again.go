package base

import (
	"context"

	"assay/suites/check"
)

// What is promised of a first boot and holds for every later one, too. Suites
// that change the host ask it again: same question, same expectations.

// FlappingUnits wants that no unit is restarted again and again in this boot.
func FlappingUnits(ctx context.Context, t *check.T) error { return flappingUnits(ctx, t) }

// CoreDumps wants that no process has crashed.
func CoreDumps(ctx context.Context, t *check.T) error { return coreDumps(ctx, t) }

// JournalClean wants nothing in this boot's journal that user space says when
// something is wrong.
func JournalClean(ctx context.Context, t *check.T) error { return journalClean(ctx, t) }

// ConsoleClean wants no fault among the kernel's messages of this boot.
func ConsoleClean(ctx context.Context, t *check.T) error { return consoleClean(ctx, t) }

// Listeners wants that nothing but SSH and the network's own services listens
// to the outside.
func Listeners(ctx context.Context, t *check.T) error { return listeners(ctx, t) }
