package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"log"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

type app struct {
	options
	readyAt time.Time
	metrics *metrics

	mu        sync.Mutex
	failShare float64
	failDebt  float64 // the fraction of a failure that is due
}

func newApp(o options) http.Handler {
	a := &app{options: o, readyAt: time.Now().Add(o.startDelay), metrics: newMetrics(o.version), failShare: o.failShare}
	mux := http.NewServeMux()
	// Probes and scrapes are left out of the metrics: they would dilute the share of errors that a check looks at.
	mux.HandleFunc("GET /healthz", a.healthz)
	mux.HandleFunc("GET /metrics", a.metrics.serve)
	mux.Handle("GET /{$}", a.metrics.observe(a.failing(a.index)))
	mux.Handle("GET /version", a.metrics.observe(a.failing(a.describe)))
	if o.failSwitch {
		mux.HandleFunc("POST /fail", a.setFailShare)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Version", a.version)
		mux.ServeHTTP(w, r)
	})
}

func (a *app) index(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		fmt.Fprintf(w, "%s %s\n", a.version, a.colour)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	view := map[string]string{"Version": a.version, "Colour": a.colour, "Pod": a.pod, "Track": a.track}
	if err := page.Execute(w, view); err != nil {
		log.Printf("page: %v", err)
	}
}

func (a *app) describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{
		"version": a.version, "colour": a.colour, "pod": a.pod, "track": a.track,
	})
}

// Ready once the start delay is over; a release that answers 500s is ready all the same: that is for checks to find.
func (a *app) healthz(w http.ResponseWriter, _ *http.Request) {
	if left := time.Until(a.readyAt); left > 0 {
		http.Error(w, fmt.Sprintf("ready in %s", left.Round(time.Millisecond)), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (a *app) setFailShare(w http.ResponseWriter, r *http.Request) {
	share, err := parseShare(r.URL.Query().Get("share"))
	if err != nil {
		http.Error(w, "share: "+err.Error(), http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	a.failShare, a.failDebt = share, 0
	a.mu.Unlock()
	log.Printf("share of requests answered 500 from now on: %g", share)
	fmt.Fprintf(w, "%g\n", share)
}

func (a *app) failing(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(a.latency)
		if a.failsNow() {
			http.Error(w, "failing as told by FAIL_SHARE", http.StatusInternalServerError)
			return
		}
		next(w, r)
	}
}

// Evenly spread and not by chance: 0.2 is every fifth request, so that a test knows what to expect.
func (a *app) failsNow() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failDebt += a.failShare
	// Ten times 0.1 is a little less than 1 in floating point.
	if a.failDebt < 1-1e-9 {
		return false
	}
	a.failDebt = math.Max(0, a.failDebt-1)
	return true
}
