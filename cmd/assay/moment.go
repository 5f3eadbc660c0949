package main

import (
	"fmt"
	"time"
)

// momentForms are how people write times: with a zone, or else in UTC.
var momentForms = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}

// parseMoment reads a time. After now it may also be so far away: 36h, 14d.
func parseMoment(s string, now time.Time) (time.Time, error) {
	for _, form := range momentForms {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), nil
		}
	}
	if !now.IsZero() {
		if d, ok := parseSpan(s); ok {
			return now.Add(d).UTC(), nil
		}
		return time.Time{}, fmt.Errorf("time %.60q: want 2026-11-24T12:00:00Z, 2026-11-24 or a span as 36h or 14d", s)
	}
	return time.Time{}, fmt.Errorf("time %.60q: want 2026-11-24T12:00:00Z, or \"2026-11-24 12:00\" (UTC)", s)
}

func parseSpan(s string) (time.Duration, bool) {
	var days int
	if n, err := fmt.Sscanf(s, "%dd", &days); err == nil && n == 1 && s == fmt.Sprintf("%dd", days) && days > 0 && days <= 3650 {
		return time.Duration(days) * 24 * time.Hour, true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d > 0
}
