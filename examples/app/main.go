// App is Slipway's sample application: a tiny HTTP server that says which version it is, and can fail on request.
//
// What it is comes from its image's environment (build arguments of the Dockerfile): VERSION, COLOUR, FAIL_SHARE,
// LATENCY, CRASH, START_DELAY, FAIL_SWITCH. What it is told by its pod: PORT, TRACK, POD_NAME.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Answers that have begun get this long to end; the pod's grace period (30 s by default) must be longer.
const drainTime = 20 * time.Second

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	if err := run(); err != nil {
		log.Fatalf("error: %v", err)
	}
}

func run() error {
	options, err := optionsFrom(os.Getenv)
	if err != nil {
		return err
	}
	if options.migrate {
		log.Print("migrated")
		return nil
	}
	if options.crash {
		return errors.New("told to crash at the start by CRASH")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	server := &http.Server{Handler: newApp(options), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	listener, err := net.Listen("tcp", ":"+options.port)
	if err != nil {
		return err
	}
	log.Printf("%s (%s) listens on port %s", options.version, options.colour, options.port)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	// New connections are refused from here on: by now the pod's preStop sleep has taken it out of every Service.
	log.Print("finishing the requests that have begun")
	draining, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := server.Shutdown(draining); err != nil {
		return fmt.Errorf("requests cut off after %s: %w", drainTime, err)
	}
	return nil
}
