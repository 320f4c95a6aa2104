package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"time"
)

var sandboxNetwork = netip.MustParsePrefix("10.0.0.0/8")

type target struct {
	address string // ip:port
	head    []byte // the whole request
	timeout time.Duration
}

// ParseTarget refuses all but loopback and a sandbox's own addresses, so that a mistake can't load a foreign machine.
func parseTarget(text string, timeout time.Duration) (target, error) {
	at, err := url.Parse(text)
	if err != nil || at.Scheme != "http" || at.Host == "" {
		return target{}, fmt.Errorf("--url %q: must be http://IP:PORT/PATH", text)
	}
	host := at.Hostname()
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return target{}, fmt.Errorf("--url %q: %q must be an IP address or localhost", text, host)
	}
	if err := allowed(ip); err != nil {
		return target{}, fmt.Errorf("--url %q: %w", text, err)
	}
	port := at.Port()
	if port == "" {
		port = "80"
	}
	address := "[" + ip.String() + "]:" + port
	head := "GET " + at.RequestURI() + " HTTP/1.1\r\nHost: " + at.Host + "\r\nUser-Agent: slipway-load\r\nConnection: close\r\n\r\n"
	return target{address, []byte(head), timeout}, nil
}

func allowed(ip netip.Addr) error {
	if ip.IsLoopback() {
		return nil
	}
	if !sandboxNetwork.Contains(ip) {
		return fmt.Errorf("%s is neither loopback nor in %s: it could be a foreign machine", ip, sandboxNetwork)
	}
	sandbox := os.Getenv("SLIPWAY_SANDBOX")
	if sandbox == "" {
		return errors.New("needs SLIPWAY_SANDBOX: start it with `python -m sandbox exec`")
	}
	// The variable alone could be inherited into the host's network, where 10.0.0.0/8 may be someone's.
	path := "/run/netns/slipway-" + sandbox
	there, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("no sandbox %q: %w", sandbox, err)
	}
	here, err := os.Stat("/proc/self/ns/net")
	if err != nil {
		return err
	}
	if !os.SameFile(here, there) {
		return fmt.Errorf("not inside the network namespace %s: start it with `python -m sandbox exec`", path)
	}
	return nil
}
