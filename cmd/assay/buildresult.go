package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"assay/artifact"
	"assay/release"
	"assay/reports"
)

type buildResult struct {
	stageFlags
	artifact, url string
	attempt       int
}

func newBuildResultCommand() *cobra.Command {
	o := &buildResult{}
	c := &cobra.Command{
		Use:   "result BUILD RESULTS...",
		Short: "Bring in what `assay run` found",
		Long: `Brings the results of ` + "`assay run`" + ` in: one results folder (or its results.json) for
each artifact. The digest of the image that was tested decides which artifact of
the build they are about; results of other bytes are refused.

Each answer is to the attempt that was asked for last. A worker that says which
one it was given (--attempt) loses when another was asked for meanwhile; a second
answer to an attempt always does. Where nobody asked yet, this command does.`,
		Example: `  assay build result 20261121_01 assay-results/last --yes
  assay build result 20261121_01 results/qcow2 results/iso --url https://ci.example/job/812/ --yes`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("want BUILD and at least one results folder; see `%s --help`", c.CommandPath())
			}
			return o.withBuild(c, args[0], func(s *stage, p *release.Policy, b *release.Build) error { return o.run(c, s, p, b, args[1:]) })
		},
	}
	o.addTo(c)
	o.streamTo(c)
	o.changeTo(c)
	o.machineTo(c, worker)
	c.Flags().StringVar(&o.artifact, "artifact", "", "the artifact, when several have the same bytes: `KIND/ARCH`")
	c.Flags().IntVar(&o.attempt, "attempt", 0, "the attempt that is answered (default the last that was asked for)")
	c.Flags().StringVar(&o.url, "url", "", "where people find the results folder (default its path)")
	return c
}

// result is one results folder and what it is about.
type result struct {
	run   *reports.Run
	where string
	id    release.ArtifactID
}

func (o *buildResult) run(c *cobra.Command, s *stage, p *release.Policy, b *release.Build, paths []string) error {
	who, err := o.who(s.cfg)
	if err != nil {
		return err
	}
	var results []result
	seen := map[release.ArtifactID]string{}
	for _, path := range paths {
		r, err := o.read(b, path)
		if err != nil {
			return err
		}
		if other, twice := seen[r.id]; twice {
			return usagef("%s and %s are both of %s %s: an attempt has one answer", other, path, b.ID, r.id)
		}
		seen[r.id] = path
		results = append(results, r)
	}
	for _, r := range results {
		s.plan(c, fmt.Sprintf("%s %s %s: run %s %s", p.Stream, b.ID, r.id, reports.Line(r.run.ID, 100), r.run.Verdict))
	}
	if err := confirm(c, o.yes, who); err != nil {
		return err
	}
	if err := s.ask(c, p, b.ID); err != nil {
		return err
	}
	events, err := s.record(c.Context(), p, who, func(st *release.State, _ time.Time) ([]release.Fact, error) {
		var out []release.Fact
		for _, r := range results {
			a := st.Line(p.Stream).Build(b.ID).Artifact(r.id)
			attempt := o.attempt
			if attempt == 0 {
				attempt = a.Attempt
			}
			if attempt == 0 {
				return nil, usagef("the policy of %s does not name %s, so nobody asked for a test of it", p.Stream, r.id)
			}
			out = append(out, release.AnswerOf(release.TestRequested{Build: b.ID, Artifact: r.id, Digest: a.Digest, Attempt: attempt}, r.run, r.where))
		}
		return out, nil
	})
	if err != nil {
		return err
	}
	return s.printEvents(c, events)
}

// read finds out what a results folder is about.
func (o *buildResult) read(b *release.Build, path string) (result, error) {
	run, err := reports.Read(path)
	if err != nil {
		return result{}, &usageError{fmt.Errorf("cannot bring in the results in %s: %w", path, err)}
	}
	var fits []release.ArtifactID
	for _, a := range b.Artifacts {
		if a.Digest == run.Image.Digest && (o.artifact == "" || o.artifact == string(a.ID)) {
			fits = append(fits, a.ID)
		}
	}
	switch {
	case len(fits) > 1:
		return result{}, usagef("the bytes that %s is about are %v: say which with --artifact", path, fits)
	case len(fits) == 0:
		return result{}, &refusedError{fmt.Errorf("cannot bring in the results in %s: image %s was tested, %s, and no such bytes are in build %s: test the files of the build, or name the build that was tested",
			path, run.Image.Name, orNone(run.Image.Digest), b.ID)}
	}
	where := o.url
	if where == "" {
		if where, err = filepath.Abs(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return result{}, err
		}
		if filepath.Base(where) == reports.ResultsFile {
			where = filepath.Dir(where)
		}
	}
	return result{run, where, fits[0]}, nil
}

func orNone(d artifact.Digest) artifact.Digest {
	if d == "" {
		return "without a digest"
	}
	return d
}

// askTime is how long a command waits for the service to ask for tests.
const askTime = 10 * time.Second

// ask sees to it that the tests of a build were asked for.
func (s *stage) ask(c *cobra.Command, p *release.Policy, id release.BuildID) error {
	if _, remote := s.log.(*remoteLog); remote {
		return s.awaitRequests(c.Context(), p, id)
	}
	return s.state.Update(c.Context(), s.log, func(st *release.State) ([]release.Event, error) { return s.requests(p, st, id) })
}

// requests are the test requests that the policy wants for a build and the
// history does not have.
func (s *stage) requests(p *release.Policy, st *release.State, id release.BuildID) ([]release.Event, error) {
	return proposed(p, st, s.now(), func(f release.Fact) bool {
		q, ok := f.(*release.TestRequested)
		return ok && q.Build == id
	})
}

// awaitRequests waits until the service has asked, as it does by itself.
func (s *stage) awaitRequests(ctx context.Context, p *release.Policy, id release.BuildID) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	for {
		if err := s.state.CatchUp(ctx, s.log); err != nil {
			return err
		}
		missing, err := s.requests(p, s.state, id)
		if err != nil || len(missing) == 0 {
			return err
		}
		if err := s.log.Wait(ctx, s.state.Head().Seq); err != nil {
			return fmt.Errorf("the service has not asked for the tests of %s within %s: %w", id, askTime, err)
		}
	}
}
