package main

import (
	"sync"
	"time"
)

// Generate starts request i at i/rate seconds, whatever became of those before it, until `duration` is over or `stop`
// closes; then it waits for the open ones, which their timeout ends. With `workers` of them open one that is due is
// skipped and counted: the result then shows that the rate was not kept.
func generate(t target, tally *tally, rate float64, duration time.Duration, workers int, stop <-chan struct{}) {
	open := make(chan struct{}, workers)
	var all sync.WaitGroup
	defer all.Wait()
	begin := time.Now()
	tally.began(begin)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := 0; ; i++ {
		after := time.Duration(float64(i) / rate * float64(time.Second))
		if after >= duration {
			return
		}
		due := begin.Add(after)
		timer.Reset(time.Until(due))
		select {
		case <-stop:
			return
		case <-timer.C:
		}
		select {
		case open <- struct{}{}:
		default:
			tally.skip()
			continue
		}
		all.Add(1)
		go func() {
			start := time.Now()
			answer := t.request()
			tally.add(due, start, time.Now(), answer)
			<-open
			all.Done()
		}()
	}
}
