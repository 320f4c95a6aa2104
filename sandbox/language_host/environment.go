package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"os"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// options are those of `runtime` in Pulumi.yaml.
func options(info *pulumirpc.ProgramInfo) (toolchain.PythonOptions, error) {
	found := toolchain.PythonOptions{Root: info.RootDirectory, ProgramDir: info.ProgramDirectory}
	for name, value := range info.Options.AsMap() {
		text, isText := value.(string)
		switch {
		case !isText:
			return found, fmt.Errorf("%s option must be a string", name)
		case name == "virtualenv":
			found.Virtualenv = text
		case name == "typechecker":
			return found, fmt.Errorf("the sandbox's language host has no typechecker")
		case name == "toolchain" && text == "pip":
			found.Toolchain = toolchain.Pip
		case name == "toolchain" && text == "poetry":
			found.Toolchain = toolchain.Poetry
		case name == "toolchain" && text == "uv":
			found.Toolchain = toolchain.Uv
		case name == "toolchain":
			return found, fmt.Errorf("unsupported toolchain option: %s", text)
		}
	}
	return found, nil
}

func resolve(info *pulumirpc.ProgramInfo) (toolchain.Toolchain, error) {
	found, err := options(info)
	if err != nil {
		return nil, err
	}
	return toolchain.ResolveToolchain(found)
}

// The file with which a package names its plugin; looked for by the program's own Python, for each package.
const pluginFiles = `
import importlib.metadata, importlib.util, json, os, sys

def file(package):
    try:
        module = importlib.metadata.distribution(package).metadata["Name"].replace("-", "_")
        spec = importlib.util.find_spec(module)
    except Exception:
        return ""
    folders = list(spec.submodule_search_locations or []) if spec else []
    files = [os.path.join(folder, "pulumi-plugin.json") for folder in folders]
    return next((each for each in files if os.path.isfile(each)), "")

print(json.dumps({package: file(package) for package in sys.argv[1:]}))
`

// plugins are those that the program's packages name.
func plugins(ctx context.Context, environment toolchain.Toolchain) ([]*pulumirpc.PackageDependency, error) {
	packages, err := environment.ListPackages(ctx, true)
	if err != nil {
		return nil, err
	}
	arguments := []string{"-c", pluginFiles}
	for _, each := range packages {
		arguments = append(arguments, each.Name)
	}
	command, err := environment.Command(ctx, arguments...)
	if err != nil {
		return nil, err
	}
	said, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("looking for pulumi-plugin.json: %w", err)
	}
	files := map[string]string{}
	if err := json.Unmarshal(said, &files); err != nil {
		return nil, fmt.Errorf("looking for pulumi-plugin.json: %w", err)
	}
	named := []*pulumirpc.PackageDependency{}
	for _, each := range packages {
		dependency, err := dependency(each, files[each.Name])
		if err != nil {
			return nil, err
		}
		if dependency != nil {
			named = append(named, dependency)
		}
	}
	return named, nil
}

// dependency is the plugin of one package; nil where it has none.
func dependency(of plugin.DependencyInfo, file string) (*pulumirpc.PackageDependency, error) {
	if of.Name == "pulumi-policy" || of.Name == "pulumi-esc-sdk" || file == "" && !strings.HasPrefix(of.Name, "pulumi-") {
		return nil, nil
	}
	named := plugin.PulumiPluginJSON{Resource: true}
	if file != "" {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(content, &named); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	if !named.Resource {
		return nil, nil
	}
	found := &pulumirpc.PackageDependency{Kind: "resource", Name: named.Name, Version: named.Version, Server: named.Server}
	if found.Name == "" {
		found.Name = strings.TrimPrefix(of.Name, "pulumi-")
	}
	if found.Version == "" {
		found.Version = of.Version
	}
	found.Version = "v" + strings.TrimPrefix(found.Version, "v")
	return found, nil
}

// engineLog shows what an installation says in the engine's display, for as long as it goes on.
type engineLog struct {
	ctx      context.Context
	engine   pulumirpc.EngineClient
	stream   int32
	severity pulumirpc.LogSeverity
}

func (log *engineLog) Write(text []byte) (int, error) {
	_, err := log.engine.Log(log.ctx, &pulumirpc.LogRequest{
		Message: strings.ToValidUTF8(string(text), "?"), Ephemeral: true, StreamId: log.stream, Severity: log.severity,
	})
	return len(text), err
}

func writers(ctx context.Context, address string) (out, errors io.Writer, err error) {
	connection, err := grpc.NewClient(
		address, grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions())
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to the engine: %w", err)
	}
	engine, stream := pulumirpc.NewEngineClient(connection), rand.Int31()
	return &engineLog{ctx, engine, stream, pulumirpc.LogSeverity_INFO},
		&engineLog{ctx, engine, stream, pulumirpc.LogSeverity_ERROR}, nil
}
