// Load opens new TCP connections to one URL at a steady rate, one request each, and counts what is lost.
//
// It is made to show that a release loses no request: the rate doesn't depend on the answers (open loop), and a
// failure of its own (no port, no file descriptor) is never counted as one of the target's.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"
)

const (
	longest  = 30 * time.Minute
	fastest  = 5000 // requests per second
	mostOpen = 20000
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(os.Stderr, "error: %v\n", err)
		}
		os.Exit(2)
	}
}

func run(arguments []string) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	address := flags.String("url", "", "http://IP:PORT/PATH: loopback, or 10.0.0.0/8 in a sandbox's network namespace")
	rate := flags.Float64("rate", 600, "new connections a second")
	duration := flags.Duration("duration", 30*time.Second, "ends by itself after this, at most 30m")
	timeout := flags.Duration("timeout", 2*time.Second, "for one request, from connect to the end of its answer")
	workers := flags.Int("workers", 0, "most requests open at once (default: 2 × rate × timeout, so that an outage doesn't slow it down)")
	live := flags.Bool("live", false, "one line a second to stderr")
	out := flags.String("out", "", "file for the JSON result (default: stdout)")
	piped := flags.Bool("piped", false, "for a parent process: says \"began\" on stdout, and ends when stdin closes, so never outlives it")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if !(*rate > 0 && *rate <= fastest) {
		return fmt.Errorf("--rate %g: must be above 0 and at most %d", *rate, fastest)
	}
	if *duration <= 0 || *duration > longest {
		return fmt.Errorf("--duration %s: must be above 0 and at most %s", *duration, longest)
	}
	if *timeout <= 0 || *timeout > time.Minute {
		return fmt.Errorf("--timeout %s: must be above 0 and at most 1m", *timeout)
	}
	if *workers < 0 || *workers > mostOpen {
		return fmt.Errorf("--workers %d: must be between 1 and %d, or 0 for the default", *workers, mostOpen)
	}
	if *workers == 0 {
		*workers = min(mostOpen, int(math.Ceil(2**rate*timeout.Seconds()))+1)
	}
	target, err := parseTarget(*address, *timeout)
	if err != nil {
		return err
	}

	stop := make(chan struct{})
	go func() {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
		if *piped {
			go func() {
				_, _ = io.Copy(io.Discard, os.Stdin)
				signals <- syscall.SIGTERM
			}()
		}
		<-signals
		close(stop)
	}()
	debug.SetGCPercent(400) // little is kept, so collecting it rarely costs only a few MB

	tally := newTally()
	ended := make(chan struct{})
	if *live {
		go tally.report(ended)
	}
	if *piped {
		fmt.Println("began")
	}
	generate(target, tally, *rate, *duration, *workers, stop)
	close(ended)
	return write(*out, tally.result(*address, *rate))
}

// The file appears whole or not at all.
func write(path string, result result) error {
	text, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if path == "" {
		_, err := os.Stdout.Write(text)
		return err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".load-")
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	if _, err := draft.Write(text); err != nil {
		return err
	}
	if err := draft.Close(); err != nil {
		return err
	}
	return os.Rename(draft.Name(), path)
}
