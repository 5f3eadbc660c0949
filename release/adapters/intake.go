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
// sorted by name. Errors are the configuration's, or say what is not there on this
// host.
func Intakes(cfg *config.Config, now func() time.Time, record intake.Recorder, tell func(format string, args ...any)) (out []Intake, err error) {
	return intakes(cfg, true, now, intake.Options{Policies: cfg.Streams(), Record: record, Tell: tell})
}

// CheckIntakes checks the configuration of all of them, wherever it will be used.
func CheckIntakes(cfg *config.Config) error {
	_, err := intakes(cfg, false, nil, intake.Options{Policies: cfg.Streams()})
	return err
}

func intakes(cfg *config.Config, here bool, now func() time.Time, o intake.Options) (out []Intake, err error) {
	for _, name := range slices.Sorted(maps.Keys(cfg.Folders)) {
		f, err := intake.NewFolder(name, cfg.Folders[name], o)
		if err == nil && here {
			err = f.IsThere()
		}
		if err != nil {
			return nil, configError(cfg, "folders", name, err)
		}
		out = append(out, f)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Schedules)) {
		s, err := intake.NewSchedule(name, cfg.Schedules[name], now, o)
		if err == nil && here {
			err = s.IsThere()
		}
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
