package main

import (
	"fmt"
	"strconv"
	"time"
)

type options struct {
	version, colour, track, pod, port string
	failShare                         float64       // share of the requests answered 500
	failSwitch                        bool          // POST /fail?share=… may change it
	migrate                           bool          // exit at once with status 0, as a Job that migrates does
	crash                             bool          // exit at once: a release that never starts
	startDelay                        time.Duration // not ready until then: a release that starts slowly
	latency                           time.Duration // each answer takes so long: a release that is slow
}

func optionsFrom(env func(string) string) (options, error) {
	or := func(name, fallback string) string {
		if value := env(name); value != "" {
			return value
		}
		return fallback
	}
	o := options{
		version: or("VERSION", "dev"),
		colour:  or("COLOUR", "grey"),
		track:   env("TRACK"),
		pod:     or("POD_NAME", env("HOSTNAME")),
		port:    or("PORT", "3000"),
	}
	var err error
	if o.failShare, err = parseShare(or("FAIL_SHARE", "0")); err != nil {
		return o, fmt.Errorf("FAIL_SHARE: %w", err)
	}
	if o.startDelay, err = time.ParseDuration(or("START_DELAY", "0s")); err != nil {
		return o, fmt.Errorf("START_DELAY: %w", err)
	}
	if o.latency, err = time.ParseDuration(or("LATENCY", "0s")); err != nil {
		return o, fmt.Errorf("LATENCY: %w", err)
	}
	if o.failSwitch, err = strconv.ParseBool(or("FAIL_SWITCH", "false")); err != nil {
		return o, fmt.Errorf("FAIL_SWITCH: %w", err)
	}
	if o.crash, err = strconv.ParseBool(or("CRASH", "false")); err != nil {
		return o, fmt.Errorf("CRASH: %w", err)
	}
	if o.migrate, err = strconv.ParseBool(or("MIGRATE", "false")); err != nil {
		return o, fmt.Errorf("MIGRATE: %w", err)
	}
	return o, nil
}

func parseShare(text string) (float64, error) {
	share, err := strconv.ParseFloat(text, 64)
	if err != nil || !(share >= 0 && share <= 1) { // written so that NaN is refused too
		return 0, fmt.Errorf("%q is not a number between 0 and 1", text)
	}
	return share, nil
}
