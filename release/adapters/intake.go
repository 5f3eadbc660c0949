package adapters

import (
	"maps"
	"slices"

	"assay/release/config"
	"assay/release/intake"
)

// Intakes makes every intake of the configuration, sorted by name. Errors are
// the configuration's.
func Intakes(cfg *config.Config, record intake.Recorder, tell func(format string, args ...any)) (out []*intake.Intake, err error) {
	for _, name := range slices.Sorted(maps.Keys(cfg.Intake)) {
		in, err := intake.New(name, cfg.Intake[name], intake.Options{Policies: cfg.Streams(), Record: record, Tell: tell})
		if err != nil {
			return nil, configError(cfg, "intake", name, err)
		}
		out = append(out, in)
	}
	return out, nil
}
