// The Python language host of the sandbox: what starts a Pulumi program for the engine.
//
// Pulumi's own is no longer served by the Go module proxy. What it does with a program is: this server starts Pulumi's
// own `pulumi-language-python-exec` (beside this executable, as an installation of Pulumi has it) in the environment
// that Pulumi's own `toolchain` package finds, both of the engine's version. Only the thin server between the engine and
// these is ours; it follows sdk/python/cmd/pulumi-language-python of pulumi/pulumi (2026-08-21).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/cmdutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/logging"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

const executor = "pulumi-language-python-exec"

func main() {
	tracing := flag.String("tracing", "", "where the program sends its traces to")
	flag.Parse()
	logging.InitLogging(false, 0, false)

	self, err := os.Executable()
	if err != nil {
		cmdutil.Exit(fmt.Errorf("where is this executable: %w", err))
	}
	script := filepath.Join(filepath.Dir(self), executor)
	if _, err := os.Stat(script); err != nil {
		cmdutil.Exit(fmt.Errorf("missing executor %s: %w", script, err))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ended := make(chan bool)
	go func() {
		<-ctx.Done()
		stop()
		close(ended)
	}()
	engine := flag.Arg(0)
	if engine != "" { // the server ends with its engine
		if err := rpcutil.Healthcheck(ctx, engine, 5*time.Minute, stop); err != nil {
			cmdutil.Exit(fmt.Errorf("watching the engine: %w", err))
		}
	}
	server, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: ended,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, newHost(script, engine, *tracing))
			return nil
		},
		Options: rpcutil.TracingServerInterceptorOptions(nil),
	})
	if err != nil {
		cmdutil.Exit(fmt.Errorf("serving: %w", err))
	}
	fmt.Printf("%d\n", server.Port) // the engine reads it, and calls
	if err := <-server.Done; err != nil {
		cmdutil.Exit(fmt.Errorf("serving ended: %w", err))
	}
}
