"""Runs the user's program for the engine, in the main thread of the language host (language.py)."""

import asyncio
import logging
import os
import runpy
import sys
import traceback
from concurrent import futures
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pulumi
from pulumi.runtime import reset_options, run_in_stack, set_all_config
from pulumi.runtime.proto import language_pb2

from sandbox.plugins.lifecycle import engine_address

logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a failed task is reported once, by the engine


def run(request: language_pb2.RunRequest, response: language_pb2.RunResponse) -> None:
    """Runs the program; what went wrong is told through the engine's log, `bail` then keeps it from saying more."""
    program = _enter(request)
    reset_options(
        project=request.project,
        stack=request.stack,
        organization=request.organization or "organization",
        root_directory=request.info.root_directory or None,
        monitor_address=request.monitor_address,
        engine_address=engine_address(),
        parallel=request.parallel,
        preview=request.dryRun,
    )
    set_all_config(dict(request.config), list(request.configSecretKeys))
    loop = asyncio.new_event_loop()
    loop.set_default_executor(futures.ThreadPoolExecutor(max(request.parallel, 1) * 4))
    loop.set_exception_handler(_on_loop_error)

    def execute() -> None:
        runpy.run_path(str(program), run_name="__main__")

    try:
        loop.run_until_complete(run_in_stack(execute))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        response.bail = True
    except grpc.RpcError as error:
        # UNAVAILABLE: the engine is already leaving and has said why
        if error.code() != grpc.StatusCode.UNAVAILABLE:
            pulumi.log.error(f"RPC error: {error.details()}")
        response.bail = True
    except SystemExit as exit_:
        if exit_.code not in {None, 0}:
            response.error = f"Program exited with non-zero exit code: {exit_.code}"
    except Exception:
        pulumi.log.error("Program failed with an unhandled exception:\n" + _user_traceback(program))
        response.bail = True
    finally:
        _close(loop)


def _enter(request: language_pb2.RunRequest) -> Path:
    """Makes the program's directory the current one, as `python __main__.py` would; gives its file."""
    directory = Path(request.info.program_directory or request.pwd or ".").resolve()
    entry = directory / (request.info.entry_point or ".")
    program = entry if entry.is_file() else entry / "__main__.py"
    if not program.is_file():
        raise SystemExit(f"no __main__.py in {entry}")
    os.chdir(request.pwd or directory)
    sys.argv = [str(program), *request.args]
    sys.path[0] = str(program.parent)
    return program


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if isinstance(context.get("exception"), grpc.RpcError):
        loop.stop()  # the engine is gone
    else:
        loop.default_exception_handler(context)


def _user_traceback(program: Path) -> str:
    """The traceback from the program's first frame on: ours above it are noise."""
    kind, error, trace = sys.exc_info()
    frame = trace
    while frame and frame.tb_frame.f_code.co_filename != str(program):
        frame = frame.tb_next
    return "".join(traceback.format_exception(kind, error, frame or trace))


def _close(loop: asyncio.AbstractEventLoop) -> None:
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            loop.run_until_complete(task)
    loop.close()
