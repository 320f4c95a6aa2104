package main

import (
	"errors"
	"fmt"
	"os/exec"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// RunPlugin starts a plugin that is written in Python (`python <its folder> <arguments>`), hands on what it says, and
// kills it when the engine has no more use for it.
func (it *host) RunPlugin(
	request *pulumirpc.RunPluginRequest, server pulumirpc.LanguageRuntime_RunPluginServer,
) error {
	environment, err := resolve(request.Info)
	if err != nil {
		return err
	}
	arguments := append([]string{request.Info.ProgramDirectory}, request.Args...)
	command, err := environment.Command(server.Context(), arguments...)
	if err != nil {
		return err
	}
	closer, out, errs, err := rpcutil.MakeRunPluginStreams(server, false)
	if err != nil {
		return err
	}
	defer closer.Close()
	command.Dir, command.Stdout, command.Stderr = request.Pwd, out, errs
	command.Env = append(command.Env, request.Env...)
	var exit *exec.ExitError
	switch err := command.Run(); {
	case errors.As(err, &exit):
		code := &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(exit.ExitCode())}
		return server.Send(&pulumirpc.RunPluginResponse{Output: code})
	case err != nil:
		return fmt.Errorf("could not run the plugin in %s: %w", request.Info.ProgramDirectory, err)
	}
	return closer.Close()
}
