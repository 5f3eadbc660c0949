package harness

import (
	"fmt"
	"os"
	"path/filepath"

	"assay/cloudinit"
	"assay/harness/usercheck"
	"assay/reports"
	"assay/suites/check"
)

// ChecksWith are Checks and the user's own in these folders. Folders that
// cannot be used are a *SelectionError.
func ChecksWith(folders []string) ([]check.Registered, error) {
	all, _, err := checksWith(folders)
	return all, err
}

func checksWith(folders []string) ([]check.Registered, []usercheck.Check, error) {
	all := Checks()
	if len(folders) == 0 {
		return all, nil, nil
	}
	taken := map[reports.CaseID]bool{}
	for _, r := range all {
		taken[r.ID()] = true
	}
	own, err := usercheck.Find(folders)
	if err != nil {
		return nil, nil, &SelectionError{err.Error()}
	}
	for _, c := range own {
		if taken[c.ID()] {
			return nil, nil, selectionf("cannot use your own check %s: a check of ours has its name %s", filepath.Join(c.Folder, c.File), c.ID())
		}
		all = append(all, c.Registered(""))
	}
	return all, own, nil
}

// packOwn bundles the chosen checks of the user's into the run's folder: what
// runs is what was planned, whatever becomes of the folders meanwhile.
func (s *session) packOwn(own []usercheck.Check, chosen []check.Registered) error {
	s.own = map[reports.CaseID]usercheck.Check{}
	wanted := map[reports.CaseID]bool{}
	for _, r := range chosen {
		wanted[r.ID()] = true
	}
	for _, c := range own {
		if !wanted[c.ID()] {
			continue
		}
		if err := c.Pack(filepath.Join(s.runDir.Path, fmt.Sprintf("own-%d.tar", len(s.own)+1))); err != nil {
			return &InfraError{err}
		}
		s.own[c.ID()] = c
	}
	return nil
}

// replay is the command that runs a check again: with its folder when it is one
// of the user's, and with what else decides how it ends.
func (s *session) replay(id reports.CaseID) string {
	var args []string
	add := func(flag, value string) {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	add("--checks", s.own[id].Folder)
	add("--firmware", string(s.opt.Firmware))
	if s.opt.SeedFormat != "" && s.opt.SeedFormat != cloudinit.NoCloud {
		add("--seed", string(s.opt.SeedFormat))
	}
	add("--update-repo", s.opt.UpdateRepo)
	add("--update-ref", s.opt.UpdateRef)
	add("--update-image", s.opt.UpdateImage)
	return reports.Replay(s.opt.Image, id, args...)
}

// ownOutput is what a check of the user's printed, however it ended.
func (s *session) ownOutput(id reports.CaseID, i *instance) []reports.Evidence {
	if _, ok := s.own[id]; !ok {
		return nil
	}
	name := usercheck.OutputName(id)
	if st, err := os.Stat(filepath.Join(i.dir, name)); err != nil || st.Size() == 0 {
		return nil
	}
	return []reports.Evidence{{Kind: "file", Title: "what the check printed", Path: i.guestPath(name)}}
}
