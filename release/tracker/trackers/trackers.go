// Package trackers picks the adapter that a configuration asks for.
package trackers

import (
	"fmt"

	"assay/release/tracker"
	"assay/release/tracker/bugzilla"
	"assay/release/tracker/gitea"
	"assay/release/tracker/github"
	"assay/release/tracker/gitlab"
	"assay/release/tracker/pagure"
)

var services = map[tracker.Type]func(tracker.Config) (tracker.Service, error){
	tracker.Gitea: gitea.New, tracker.Forgejo: gitea.New, tracker.Pagure: pagure.New,
	tracker.Bugzilla: bugzilla.New, tracker.GitHub: github.New, tracker.GitLab: gitlab.New,
}

// Service is the adapter for a configuration. It speaks to nobody yet.
func Service(c tracker.Config) (tracker.Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return services[c.Type](c)
}

// New is the tracker that policies call name.
func New(name string, c tracker.Config, o tracker.Options) (*tracker.Tracker, error) {
	s, err := Service(c)
	if err != nil {
		return nil, fmt.Errorf("tracker %s: %w", name, err)
	}
	return tracker.New(name, s, o), nil
}
