package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	// alreadySaid is the exit status of a program that has told its user what is wrong.
	alreadySaid = 32
	// patience with a program that was asked to end, before it is killed.
	patience = 5 * time.Second
)

// host is the part of the LanguageRuntime service that stacks and plugins in Python use; the rest (code generation) says
// "unimplemented".
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	executor, engine, tracing string
	cancelled                 context.Context
	cancel                    context.CancelFunc
}

func newHost(executor, engine, tracing string) *host {
	cancelled, cancel := context.WithCancel(context.Background())
	return &host{executor: executor, engine: engine, tracing: tracing, cancelled: cancelled, cancel: cancel}
}

func (it *host) Handshake(
	_ context.Context, request *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	it.engine = request.EngineAddress
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (it *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	it.cancel()
	return &emptypb.Empty{}, nil
}

func (it *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

func (it *host) GetRequiredPackages(
	ctx context.Context, request *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	environment, err := resolve(request.Info)
	if err != nil {
		return nil, err
	}
	out, errors, err := writers(ctx, it.engine)
	if err != nil {
		return nil, err
	}
	if err := environment.EnsureVenv(ctx, request.Info.ProgramDirectory, false, true, out, errors); err != nil {
		return nil, err
	}
	python, err := environment.Command(ctx, "--version") // asked, as theirs does, to refuse what is too old
	if err != nil {
		return nil, err
	}
	if _, err := python.Output(); err != nil {
		return nil, fmt.Errorf("asking Python for its version: %w", err)
	}
	packages, err := plugins(ctx, environment)
	return &pulumirpc.GetRequiredPackagesResponse{Packages: packages}, err
}

func (it *host) GetProgramDependencies(
	ctx context.Context, request *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	environment, err := resolve(request.Info)
	if err != nil {
		return nil, err
	}
	packages, err := environment.ListPackages(ctx, request.TransitiveDependencies)
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, each := range packages {
		found := &pulumirpc.DependencyInfo{Name: each.Name, Version: each.Version}
		response.Dependencies = append(response.Dependencies, found)
	}
	return response, nil
}

func (it *host) InstallDependencies(
	request *pulumirpc.InstallDependenciesRequest, server pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	environment, err := resolve(request.Info)
	if err != nil {
		return err
	}
	closer, out, errors, err := rpcutil.MakeInstallDependenciesStreams(server, request.IsTerminal)
	if err != nil {
		return err
	}
	defer closer.Close()
	if err := environment.InstallDependencies(
		server.Context(), request.Info.ProgramDirectory, request.UseLanguageVersionTools, true, out, errors,
	); err != nil {
		return err
	}
	return closer.Close()
}

func (it *host) RuntimeOptionsPrompts(
	context.Context, *pulumirpc.RuntimeOptionsRequest,
) (*pulumirpc.RuntimeOptionsResponse, error) {
	return &pulumirpc.RuntimeOptionsResponse{}, nil
}

func (it *host) About(ctx context.Context, request *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	environment, err := toolchain.ResolveToolchain(toolchain.PythonOptions{Toolchain: toolchain.Pip})
	if request.GetInfo() != nil {
		environment, err = resolve(request.Info)
	}
	if err != nil {
		return nil, err
	}
	found, err := environment.About(ctx)
	return &pulumirpc.AboutResponse{Executable: found.PythonExecutable, Version: found.PythonVersion.String()}, err
}

// Run starts the executor with the program and waits for its end.
func (it *host) Run(ctx context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	environment, err := resolve(request.Info)
	if err != nil {
		return nil, err
	}
	if err := environment.ValidateVenv(ctx); err != nil {
		return nil, err
	}
	either, stop := context.WithCancel(it.cancelled) // by the service's Cancel, or with the call
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	command, err := environment.Command(either, it.arguments(request)...)
	if err != nil {
		return nil, err
	}
	command.Cancel = func() error {
		if err := command.Process.Signal(os.Interrupt); err != nil {
			return command.Process.Kill()
		}
		return nil
	}
	command.WaitDelay = patience
	command.Stdout, command.Stderr = os.Stdout, os.Stderr // the engine shows them as the stack's own lines
	if command.Env == nil {
		command.Env = os.Environ()
	}
	if request.Config != nil {
		settings, err := json.Marshal(request.Config)
		if err != nil {
			return nil, err
		}
		command.Env = append(command.Env, "PULUMI_CONFIG="+string(settings))
	}
	secrets, err := json.Marshal(append([]string{}, request.ConfigSecretKeys...))
	if err != nil {
		return nil, err
	}
	command.Env = append(command.Env, "PULUMI_CONFIG_SECRET_KEYS="+string(secrets))
	return ending(command.Run()), nil
}

// ending is what the engine is told of the program's end.
func ending(err error) *pulumirpc.RunResponse {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}
	case !errors.As(err, &exit):
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("could not run the program: %s", err)}
	case exit.ExitCode() == alreadySaid:
		return &pulumirpc.RunResponse{Bail: true}
	case exit.ExitCode() == 0: // it was cancelled
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program exited unexpectedly: %s", exit)}
	default: // -1 where a signal ended it, as theirs has it
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("program exited with non-zero exit code: %d", exit.ExitCode())}
	}
}

// arguments of the interpreter: the executor, what it is told of the run, the program, the program's own.
func (it *host) arguments(request *pulumirpc.RunRequest) []string {
	arguments := []string{it.executor}
	for _, flag := range [][2]string{
		{"monitor", request.MonitorAddress},
		{"engine", it.engine},
		{"project", request.Project},
		{"root_directory", request.Info.RootDirectory},
		{"stack", request.Stack},
		{"pwd", request.Pwd},
		{"dry_run", strconv.FormatBool(request.DryRun)},
		{"parallel", strconv.Itoa(int(request.Parallel))},
		{"tracing", it.tracing},
		{"organization", request.Organization},
	} {
		if flag[1] != "" {
			arguments = append(arguments, "--"+flag[0], flag[1])
		}
	}
	return append(append(arguments, request.Info.EntryPoint), request.Args...)
}
