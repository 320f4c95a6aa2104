package main

import (
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Prometheus' own defaults (prometheus.DefBuckets), in seconds.
var buckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

type series struct{ code, method string }

// Metrics holds http_requests_total and http_request_duration_seconds in the names of Prometheus' conventions.
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
type metrics struct {
	version string
	mu      sync.Mutex
	total   map[series]uint64
	within  []uint64 // of each bucket, cumulative
	count   uint64
	sum     float64
}

func newMetrics(version string) *metrics {
	// Both begin at 0: rate() misses a counter's first value, so a release's first failure would go unseen.
	total := map[series]uint64{{"200", "GET"}: 0, {"500", "GET"}: 0}
	return &metrics{version: version, total: total, within: make([]uint64, len(buckets))}
}

type statusWriter struct {
	http.ResponseWriter
	code int
}

func (w *statusWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

func (m *metrics) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		recorder := &statusWriter{w, http.StatusOK}
		next.ServeHTTP(recorder, r)
		m.add(series{strconv.Itoa(recorder.code), r.Method}, time.Since(begin).Seconds())
	})
}

func (m *metrics) add(s series, seconds float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total[s]++
	m.count++
	m.sum += seconds
	for i, limit := range buckets {
		if seconds <= limit {
			m.within[i]++
		}
	}
}

func (m *metrics) serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(m.text()))
}

func (m *metrics) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out strings.Builder
	out.WriteString("# HELP http_requests_total Requests answered, probes and scrapes left out.\n")
	out.WriteString("# TYPE http_requests_total counter\n")
	known := make([]series, 0, len(m.total))
	for s := range m.total {
		known = append(known, s)
	}
	sort.Slice(known, func(i, j int) bool { return known[i].code+known[i].method < known[j].code+known[j].method })
	version := label(m.version)
	for _, s := range known {
		fmt.Fprintf(&out, "http_requests_total{code=\"%s\",method=\"%s\",version=\"%s\"} %d\n",
			s.code, label(s.method), version, m.total[s])
	}
	out.WriteString("# HELP http_request_duration_seconds Time from the request's headers to the end of its answer.\n")
	out.WriteString("# TYPE http_request_duration_seconds histogram\n")
	for i, limit := range buckets {
		fmt.Fprintf(&out, "http_request_duration_seconds_bucket{version=\"%s\",le=\"%g\"} %d\n", version, limit, m.within[i])
	}
	fmt.Fprintf(&out, "http_request_duration_seconds_bucket{version=\"%s\",le=\"+Inf\"} %d\n", version, m.count)
	fmt.Fprintf(&out, "http_request_duration_seconds_sum{version=\"%s\"} %g\n", version, m.sum)
	fmt.Fprintf(&out, "http_request_duration_seconds_count{version=\"%s\"} %d\n", version, m.count)
	return out.String()
}

// Label values escape backslash, quote and line feed.
func label(value string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value)
}
