package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// What can become of a request.
const (
	ok          = ""
	refused     = "refused"     // nobody listens there
	unreachable = "unreachable" // no route to the target
	reset       = "reset"       // the connection was broken off
	timedOut    = "timeout"
	closed      = "closed" // ended without an answer
	short       = "short"  // ended inside the answer
	status      = "status" // 400 and above
	malformed   = "malformed"
	// The generator's own failures, which say nothing about the target.
	noPorts       = "no ports left"
	noDescriptors = "no file descriptors left"
	noMemory      = "no memory left"
)

func own(kind string) bool { return kind == noPorts || kind == noDescriptors || kind == noMemory }

type answer struct {
	kind, detail string
	version      string // X-Version of any answer, bad ones too
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4096) }}

// Request opens a connection, asks once, and reads the answer to its end.
func (t target) request() answer {
	deadline := time.Now().Add(t.timeout)
	dialer := net.Dialer{Deadline: deadline, KeepAlive: -1}
	connection, err := dialer.Dial("tcp", t.address)
	if err != nil {
		return failure(err)
	}
	defer connection.Close()
	tcp := connection.(*net.TCPConn)
	// Close with RST instead of FIN: without TIME_WAIT no source port stays used, so hundreds of connections a second
	// can go on for ever. It can lose nothing: it is sent when the answer has been read to its end, or has failed.
	if err := tcp.SetLinger(0); err != nil {
		return failure(err)
	}
	if err := tcp.SetDeadline(deadline); err != nil {
		return failure(err)
	}
	if _, err := tcp.Write(t.head); err != nil {
		return failure(err)
	}
	reader := readers.Get().(*bufio.Reader)
	stream := &ending{Reader: tcp}
	reader.Reset(stream)
	defer func() {
		reader.Reset(nil) // keeps no connection alive
		readers.Put(reader)
	}()
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		if stream.ended {
			return answer{kind: closed, detail: "the connection was closed before the answer's headers were whole"}
		}
		return failure(err)
	}
	version := response.Header.Get("X-Version")
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		failed := failure(err)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			failed = answer{kind: short, detail: "the connection was closed inside the body"}
		}
		failed.version = version
		return failed
	}
	if response.StatusCode >= 400 {
		return answer{status, fmt.Sprintf("HTTP %d", response.StatusCode), version}
	}
	return answer{version: version}
}

// Ending remembers that the stream came to its end: of headers cut off, net/http only says that they are malformed.
type ending struct {
	io.Reader
	ended bool
}

func (e *ending) Read(into []byte) (int, error) {
	n, err := e.Reader.Read(into)
	e.ended = e.ended || errors.Is(err, io.EOF)
	return n, err
}

var kinds = map[syscall.Errno]string{
	syscall.ECONNREFUSED: refused, syscall.ECONNRESET: reset, syscall.EPIPE: reset, syscall.ECONNABORTED: reset,
	syscall.EHOSTUNREACH: unreachable, syscall.ENETUNREACH: unreachable, syscall.ETIMEDOUT: timedOut,
	syscall.EADDRNOTAVAIL: noPorts, syscall.EADDRINUSE: noPorts,
	syscall.EMFILE: noDescriptors, syscall.ENFILE: noDescriptors,
	syscall.ENOMEM: noMemory, syscall.ENOBUFS: noMemory,
}

func failure(err error) answer {
	var number syscall.Errno
	if errors.As(err, &number) && kinds[number] != "" {
		return answer{kind: kinds[number], detail: err.Error()}
	}
	// Timed out before the connection was there, it is not os.ErrDeadlineExceeded.
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return answer{kind: timedOut, detail: err.Error()}
	}
	return answer{kind: malformed, detail: err.Error()}
}
