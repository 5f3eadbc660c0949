package adapters

import (
	"context"
	"maps"
	"slices"
	"time"

	"assay/release/config"
	"assay/release/intake"
)

// Intake learns of builds until its context ends.
type Intake interface{ Run(ctx context.Context) }

// Intakes makes every intake, watched folder and schedule of the configuration,
// sorted by name. Errors are the configuration's.
func Intakes(cfg *config.Config, now func() time.Time, record intake.Recorder, tell func(format string, args ...any)) (out []Intake, err error) {
	o := intake.Options{Policies: cfg.Streams(), Record: record, Tell: tell}
	for _, name := range slices.Sorted(maps.Keys(cfg.Folders)) {
		f, err := intake.NewFolder(name, cfg.Folders[name], o)
		if err != nil {
			return nil, configError(cfg, "folders", name, err)
		}
		out = append(out, f)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Schedules)) {
		s, err := intake.NewSchedule(name, cfg.Schedules[name], now, o)
		if err != nil {
			return nil, configError(cfg, "schedules", name, err)
		}
		out = append(out, s)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Intake)) {
		in, err := intake.New(name, cfg.Intake[name], o)
		if err != nil {
			return nil, configError(cfg, "intake", name, err)
		}
		out = append(out, in)
	}
	return out, nil
}
