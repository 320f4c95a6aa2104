package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

const samplesKept = 50

// Tally counts; all of it is behind one lock, which some thousand uses a second don't contend.
type tally struct {
	mu        sync.Mutex
	begin     time.Time
	skipped   int
	ok        int
	failed    map[string]int
	own       map[string]int
	samples   []sample
	versions  map[string]*versionCount
	latencies []uint32 // µs from connect to the end of the answer, of answered requests
	lateness  []uint32 // µs from due to start
}

type versionCount struct {
	Requests int     `json:"requests"`
	Failed   int     `json:"failed"`
	First    float64 `json:"first"` // when the first request that it answered was started, Unix time
	Last     float64 `json:"last"`
}

type sample struct {
	At     float64 `json:"at"` // when the request was started, Unix time
	Kind   string  `json:"kind"`
	Detail string  `json:"detail"`
}

type result struct {
	URL             string                   `json:"url"`
	Rate            float64                  `json:"rate"`
	Began           float64                  `json:"began"` // Unix time
	Seconds         float64                  `json:"seconds"`
	Sent            int                      `json:"sent"`
	Skipped         int                      `json:"skipped"` // due, but all workers were busy
	OK              int                      `json:"ok"`
	Failed          int                      `json:"failed"`
	Failures        map[string]int           `json:"failures"`         // by kind
	GeneratorErrors map[string]int           `json:"generator_errors"` // neither sent nor failed
	Samples         []sample                 `json:"samples"`          // the first failures of all kinds
	Versions        map[string]*versionCount `json:"versions"`         // by X-Version; "" without
	LatencyMS       map[string]float64       `json:"latency_ms"`
	LateMS          map[string]float64       `json:"late_ms"` // started so much later than planned
	CPUSeconds      float64                  `json:"cpu_seconds"`
}

func newTally() *tally {
	return &tally{failed: map[string]int{}, own: map[string]int{}, samples: []sample{}, versions: map[string]*versionCount{}}
}

func (t *tally) began(at time.Time) {
	t.mu.Lock()
	t.begin = at
	t.mu.Unlock()
}

func (t *tally) skip() {
	t.mu.Lock()
	t.skipped++
	t.mu.Unlock()
}

func (t *tally) add(due, start, end time.Time, a answer) {
	at := unix(start)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lateness = append(t.lateness, micros(start.Sub(due)))
	if a.kind != ok && len(t.samples) < samplesKept {
		t.samples = append(t.samples, sample{at, a.kind, a.detail})
	}
	switch {
	case a.kind == ok:
		t.ok++
		t.latencies = append(t.latencies, micros(end.Sub(start)))
	case own(a.kind):
		t.own[a.kind]++
		return
	default:
		t.failed[a.kind]++
		if a.kind != status && a.kind != short {
			return // no version answered
		}
	}
	v := t.versions[a.version]
	if v == nil {
		v = &versionCount{First: at, Last: at}
		t.versions[a.version] = v
	}
	v.Requests++
	if a.kind != ok {
		v.Failed++
	}
	v.First, v.Last = math.Min(v.First, at), math.Max(v.Last, at)
}

func (t *tally) result(url string, rate float64) result {
	t.mu.Lock()
	defer t.mu.Unlock()
	failed := sum(t.failed)
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	return result{
		URL: url, Rate: rate, Began: unix(t.begin), Seconds: time.Since(t.begin).Seconds(),
		Sent: t.ok + failed, Skipped: t.skipped, OK: t.ok, Failed: failed, Failures: t.failed, GeneratorErrors: t.own,
		Samples: t.samples, Versions: t.versions, LatencyMS: percentiles(t.latencies), LateMS: percentiles(t.lateness),
		CPUSeconds: cpu.Seconds(),
	}
}

// Report writes what each second brought, until `ended` closes.
func (t *tally) report(ended <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	before := map[string]int{}
	for second := 1; ; second++ {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		t.mu.Lock()
		sent, failed, skipped := t.ok+sum(t.failed), sum(t.failed), t.skipped
		var shares []string
		for name, v := range t.versions {
			if n := v.Requests - before[name]; n > 0 {
				shares = append(shares, fmt.Sprintf("%s %d", name, n))
			}
			before[name] = v.Requests
		}
		t.mu.Unlock()
		sort.Strings(shares)
		fmt.Fprintf(os.Stderr, "%4d s  %7d sent  %5d failed  %5d skipped  last second: %s\n",
			second, sent, failed, skipped, strings.Join(shares, ", "))
	}
}

func percentiles(of []uint32) map[string]float64 {
	if len(of) == 0 {
		return map[string]float64{}
	}
	slices.Sort(of)
	at := func(share float64) float64 { return float64(of[int(share*float64(len(of)-1))]) / 1000 }
	return map[string]float64{"p50": at(.5), "p95": at(.95), "p99": at(.99), "max": at(1)}
}

func sum(counts map[string]int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}

func micros(d time.Duration) uint32 { return uint32(max(0, d.Microseconds())) }

func unix(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
