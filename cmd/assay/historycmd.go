package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"assay/release"
	"assay/release/config"
	"assay/release/history"
	"assay/reports"
)

func newHistoryCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "history",
		Short: "Begin, read, check, move and repair the release stage's history",
		Long: `Everything that the release stage knows is in its history: events that are only
ever added. A chain of hashes notices what was lost, changed or cut off; while
such a finding is open nothing is released, until a person has looked and says so.`,
		Example: `  assay history init
  assay history verify
  assay history export backup.jsonl`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newHistoryInitCommand(), newHistoryVerifyCommand(), newHistoryShowCommand(), newHistoryExportCommand(), newHistoryImportCommand(), newAcknowledgeCommand())
	return c
}

func existsAlready(cfg *config.Config) error {
	return usagef("there is a history in %s already: `assay history verify` looks at it", cfg.History.Dir)
}

func teller(c *cobra.Command) func(string, ...any) {
	return func(format string, args ...any) { fmt.Fprintf(c.ErrOrStderr(), "assay: "+format+"\n", args...) }
}

func newHistoryInitCommand() *cobra.Command {
	f := &stageFlags{}
	c := &cobra.Command{
		Use:     "init",
		Short:   "Begin a new history where the configuration says",
		Example: `  assay history init --config /etc/assay/assay.yaml`,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := f.readConfig()
			if err != nil {
				return err
			}
			now, err := f.now(cfg)
			if err != nil {
				return err
			}
			if now.IsZero() {
				now = time.Now()
			}
			if cfg.History.URL == "" && hasHistory(cfg) {
				return existsAlready(cfg)
			}
			h, err := openHistory(c.Context(), cfg, inOurWords(teller(c)))
			if err != nil {
				return err
			}
			defer h.Close()
			st, err := release.Load(c.Context(), h)
			if err != nil {
				return err
			}
			if n := st.Head().Seq; n > 0 {
				return usagef("the history at %s has %d events already", cfg.History.URL, n)
			}
			if err := h.Begin(c.Context(), now); err != nil {
				return err
			}
			for _, p := range cfg.Streams() {
				if err := st.Update(c.Context(), h, func(st *release.State) ([]release.Event, error) { return policyEvents(p, st, now) }); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "began a history in %s\n", cfg.History.Dir)
			return err
		},
	}
	f.addTo(c)
	return c
}

func newHistoryVerifyCommand() *cobra.Command {
	f := &stageFlags{}
	c := &cobra.Command{
		Use:   "verify [EXPORT]",
		Short: "Check the whole history, or an export; status 3 when something is wrong with it",
		Long: `Reads the whole history and checks its chain. The event store mends itself when
it is opened, by any command, and drops what it cannot read: files of it that do
not look right are copied first, and a finding says where to.

With a file (- is standard input) it checks an export: each line, and that it
was not cut off.`,
		Example: `  assay history verify
  assay history verify --json | jq '.findings[].text'
  assay history verify backup-2026-11-21.jsonl`,
		Args: atMostOne("EXPORT"),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := f.verify(c, args)
			if err != nil {
				return err
			}
			if f.json {
				err = printJSON(c, r)
			} else {
				err = printReport(c.OutOrStdout(), r)
			}
			if err == nil && len(r.Findings) > 0 {
				return exitError(exitRejected)
			}
			return err
		},
	}
	f.addTo(c)
	f.jsonTo(c)
	return c
}

// verify reads the history, or the export that is named.
func (f *stageFlags) verify(c *cobra.Command, args []string) (history.Report, error) {
	if len(args) > 0 {
		in, err := input(c, args[0])
		if err != nil {
			return history.Report{}, err
		}
		defer func() { _ = in.Close() }()
		r, err := history.VerifyExport(in)
		if err != nil {
			return r, &refusedError{fmt.Errorf("%s: %w", args[0], err)}
		}
		return r, nil
	}
	s, err := f.open(c)
	if err != nil {
		return history.Report{}, err
	}
	defer s.Close()
	return history.Verify(c.Context(), s.log)
}

// input is a file, or standard input for -.
func input(c *cobra.Command, path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(c.InOrStdin()), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &usageError{err}
	}
	return f, nil
}

func printReport(w io.Writer, r history.Report) error {
	fmt.Fprintf(w, "%d events, the last %s\n", r.Events, r.Head.Hash)
	for _, x := range r.Findings {
		fmt.Fprintf(w, "damaged: event %d: %s\n", x.Seq, reports.Line(x.Text, 600))
	}
	for _, x := range r.Acknowledged {
		fmt.Fprintf(w, "acknowledged: event %d: %s\n", x.Seq, reports.Line(x.Text, 600))
	}
	if len(r.Findings) == 0 {
		_, err := fmt.Fprintln(w, "the chain is whole")
		return err
	}
	_, err := fmt.Fprintln(w, "Nothing is released while this is so. Find out what happened; restore a good copy, or say that you have looked: assay history acknowledge --reason \"...\"")
	return err
}

func newHistoryShowCommand() *cobra.Command {
	f := &stageFlags{}
	var (
		kind  string
		after uint64
		last  int
	)
	c := &cobra.Command{
		Use:   "show",
		Short: "Show events, one line each; with --json as they are stored",
		Example: `  assay history show --last 20
  assay history show --type 'release.*' --stream fedora-43
  assay history show --json | jq 'select(.actor.name == "alice")'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			glob := release.Glob(kind)
			if err := glob.Validate(); err != nil {
				return &usageError{err}
			}
			s, err := f.open(c)
			if err != nil {
				return err
			}
			defer s.Close()
			var lines []string
			for r, err := range s.log.Read(c.Context(), after) {
				if err != nil {
					return err
				}
				text, ok := shown(r, f.json, release.Stream(f.stream), glob)
				if !ok {
					continue
				}
				lines = append(lines, text)
				if last > 0 && len(lines) > last {
					lines = lines[1:]
				}
			}
			if len(lines) == 0 && kind != "" && !knownType(glob) {
				return usagef("no event is of type %q, and none can be; the types are %s", kind, strings.Join(typeNames(), ", "))
			}
			for _, l := range lines {
				if _, err := fmt.Fprintln(c.OutOrStdout(), l); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.addTo(c)
	f.streamTo(c)
	f.jsonTo(c)
	c.Flags().StringVar(&kind, "type", "", "only these types, as release.decided or 'build.*'")
	c.Flags().Uint64Var(&after, "after", 0, "only events after this number")
	c.Flags().IntVar(&last, "last", 0, "only so many, from the end")
	return c
}

// typeNames are the event types that this program knows, sorted.
func typeNames() (names []string) {
	for t := range release.Types() {
		names = append(names, string(t))
	}
	slices.Sort(names)
	return names
}

func knownType(glob release.Glob) bool {
	return slices.ContainsFunc(typeNames(), glob.Match)
}

// shown is one record as a line, if it is wanted. What cannot be read is always
// shown.
func shown(r release.Record, asJSON bool, stream release.Stream, kind release.Glob) (string, bool) {
	var (
		e   release.Event
		err = r.Err
	)
	if err == nil {
		e, err = release.Decode(r.Raw)
	}
	var later *release.UnknownError
	if err != nil && !errors.As(err, &later) {
		if asJSON {
			raw, _ := json.Marshal(map[string]any{"seq": r.Seq, "error": err.Error()})
			return string(raw), true
		}
		return fmt.Sprintf("%d  cannot be read: %s", r.Seq, reports.Line(err.Error(), 300)), true
	}
	if stream != "" && e.Stream != stream || !kind.Match(string(e.Type)) {
		return "", false
	}
	if asJSON {
		return string(r.Raw), true
	}
	return fmt.Sprintf("%d  %s  %s  %s", e.Seq, e.Time.UTC().Format("2006-01-02 15:04:05"), reports.Line(e.Actor.Name, 60), line(e)), true
}

func newHistoryExportCommand() *cobra.Command {
	f := &stageFlags{}
	c := &cobra.Command{
		Use:   "export FILE",
		Short: "Write the history into a file, one event a line; - is standard output",
		Long: `Writes the events as they are stored, one a line, and a last line that says how
many they are. A file appears whole or not at all and replaces none. A damaged event ends the export with an error.`,
		Example: `  assay history export backup-2026-11-21.jsonl
  assay history export - | zstd > backup.zst`,
		Args: oneArg("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := f.open(c)
			if err != nil {
				return err
			}
			defer s.Close()
			if args[0] == "-" {
				_, err := history.Export(c.Context(), s.log, c.OutOrStdout())
				return err
			}
			n, err := exportFile(c.Context(), s.log, args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "wrote %d events to %s\n", n, args[0])
			return err
		},
	}
	f.addTo(c)
	return c
}

func exportFile(ctx context.Context, log release.Log, path string) (n uint64, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return 0, usagef("cannot export to %s: there is something of that name (%v): name a new file", path, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".export-*")
	if err != nil {
		return 0, usagef("cannot export to %s: %w", path, err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	n, err = history.Export(ctx, log, tmp)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Link(tmp.Name(), path)
	}
	return n, err
}

func newHistoryImportCommand() *cobra.Command {
	f := &stageFlags{}
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Bring an export into a new history, byte for byte; - is standard input",
		Long: `Brings an export into a history that does not exist yet. Each line is checked
against the one before; the first that does not fit ends the import. The last has
to say how many they are. An import that was broken off is begun anew by the
next; until one has come to its end, no other command opens that history.`,
		Example: `  assay history import backup-2026-11-21.jsonl --config new.yaml
  zstdcat backup.zst | assay history import -`,
		Args: oneArg("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := input(c, args[0])
			if err != nil {
				return fmt.Errorf("cannot import: %w", err)
			}
			defer func() { _ = in.Close() }()
			cfg, err := f.readConfig()
			if err != nil {
				return err
			}
			if cfg.History.URL == "" && hasHistory(cfg) && !history.HalfImported(cfg.History.Dir) {
				return existsAlready(cfg)
			}
			n, err := history.Import(c.Context(), historyOptions(cfg, teller(c)), in)
			if err != nil {
				return &usageError{fmt.Errorf("%w; %d events were read, and no command opens %s before another import has come to its end", err, n, cfg.History.Dir)}
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "brought %d events into %s\n", n, cfg.History.Dir)
			return err
		},
	}
	f.addTo(c)
	return c
}

func newAcknowledgeCommand() *cobra.Command {
	f := &stageFlags{}
	var reason string
	c := &cobra.Command{
		Use:   "acknowledge",
		Short: "Say that you have looked at what is wrong with the history",
		Long: `Records that a person has looked at every finding that ` + "`assay history verify`" + `
shows. They no longer keep anything from being released; damage found later does.
What the damaged events said counts no more: a bad mark, a waiver, a block or a release
that one of them held is gone. Where there is a backup, import that instead.`,
		Example: `  assay history acknowledge --reason "disk failed on 2026-11-21, restored from mirror, compared by hand"`,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if reason == "" {
				return usagef("say what you found: --reason \"...\"")
			}
			s, err := f.open(c)
			if err != nil {
				return err
			}
			defer s.Close()
			who, err := f.who(s.cfg)
			if err != nil {
				return err
			}
			if seen := s.state.Findings(); len(seen) > 0 && !f.yes {
				for _, x := range seen {
					fmt.Fprintf(c.ErrOrStderr(), "damaged: event %d: %s\n", x.Seq, reports.Line(x.Text, 600))
				}
				fmt.Fprintln(c.ErrOrStderr(), "What these events said counts no more: marks, waivers, blocks and releases that they may have held. With a backup, import that into a new folder instead: assay history import")
			}
			return s.change(c, s.policyFor(who), func(st *release.State, _ time.Time) ([]release.Fact, error) {
				seen := st.Findings()
				if len(seen) == 0 {
					return nil, nil
				}
				return []release.Fact{&release.HistoryAcknowledged{Findings: seen, Reason: reason}}, nil
			})
		},
	}
	f.addTo(c)
	f.changeTo(c)
	c.Flags().StringVar(&reason, "reason", "", "what you found (needed)")
	return c
}

// policyFor is a policy that lets somebody speak for the whole history; the
// first when none does.
func (s *stage) policyFor(who release.Actor) *release.Policy {
	return repairPolicy(s.cfg, s.state, who)
}

func repairPolicy(cfg *config.Config, st *release.State, who release.Actor) *release.Policy {
	// Which findings they are makes no difference to whether one may.
	probe := release.Event{Type: "slots.reopened", Actor: who, Fact: &release.SlotsReopened{After: time.Unix(1, 0), Word: release.Word{Reason: "-"}}}
	for _, p := range cfg.Streams() {
		if release.Allow(p, st, probe, time.Unix(1, 0)) == nil {
			return p
		}
	}
	return cfg.Streams()[0]
}
