package main

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"assay/release"
	"assay/release/adapters"
	"assay/release/engine"
)

// metrics are made of the state when they are asked for: nothing is counted
// twice after a restart.
func (s *service) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(stageMetrics{s})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{Timeout: 30 * time.Second})
}

type stageMetrics struct{ s *service }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("assay_"+name, help, labels, nil)
}

var (
	metricEvents    = describe("history_events", "Events in the history.")
	metricFindings  = describe("history_findings", "Damage of the history that nobody has acknowledged; nothing is released while it is not 0.")
	metricOut       = describe("release_time_seconds", "When the release that is out was decided, in Unix time.", "stream", "build")
	metricPublished = describe("release_published", "1 when every target has the release.", "stream")
	metricStale     = describe("release_stale", "1 when the last release date brought no release.", "stream")
	metricBlocked   = describe("stream_blocked", "1 while the stream is blocked.", "stream")
	metricBugs      = describe("bugs_open", "Bugs of the stream that are open.", "stream")
	metricBuild     = describe("newest_build_time_seconds", "When the newest build was made, in Unix time.", "stream")
	metricWaiting   = describe("effects_waiting", "Effects that have not happened.", "stream", "adapter")
	metricAttempts  = describe("effect_attempts", "The highest number of attempts among them.", "stream", "adapter")
)

// Describe implements prometheus.Collector.
func (stageMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{metricEvents, metricFindings, metricOut, metricPublished, metricStale, metricBlocked, metricBugs, metricBuild, metricWaiting, metricAttempts} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m stageMetrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	err := m.s.engine.With(ctx, func(st *release.State) error {
		gauge(metricEvents, float64(st.Head().Seq))
		gauge(metricFindings, float64(len(st.Findings())))
		now := m.s.now()
		for _, p := range m.s.cfg.Streams() {
			name, status := string(p.Stream), release.StatusOf(p, st, now)
			if status.Out != nil {
				gauge(metricOut, float64(status.Out.At.Unix()), name, string(status.Out.Build))
			}
			gauge(metricPublished, truth(status.Published), name)
			gauge(metricStale, truth(status.Stale), name)
			gauge(metricBlocked, truth(status.Block != nil), name)
			gauge(metricBugs, float64(len(status.Bugs)), name)
			for b := range st.Line(p.Stream).Builds() {
				gauge(metricBuild, float64(b.Created.Unix()), name)
				break
			}
			waiting, attempts := map[string]int{}, map[string]int{}
			for _, t := range adapters.Wanted(p) {
				waiting[target(t)] = 0 // what is 0 is said, too
			}
			for _, e := range release.Effects(p, st, now) {
				t := target(engine.Target{Kind: e.Kind, Name: e.Target})
				waiting[t]++
				attempts[t] = max(attempts[t], e.Attempt)
			}
			for t, n := range waiting {
				gauge(metricWaiting, float64(n), name, t)
				gauge(metricAttempts, float64(attempts[t]), name, t)
			}
		}
		return nil
	})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(metricEvents, err)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
