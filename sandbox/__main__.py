"""The sandbox's command line: `python -m sandbox up|down|status|exec [--name demo]`."""

import argparse
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.display import Display
from sandbox.errors import SandboxError
from sandbox.images import ImageError
from sandbox.paths import Paths


def up(paths: Paths) -> int:
    """Builds what is missing and starts the sandbox, unless it stands already."""
    from sandbox import official, startup, tools  # noqa: PLC0415  # `exec` must not pay for the imports of `up`

    began = time.monotonic()
    display = Display()
    with display.building() as report:
        executables = tools.prepare(report, display.say)
    for provider in official.missing(os.environ):
        got = official.try_to_install(provider, executables["pulumi"])
        display.say(f"  official {provider} plugin: {'installed' if got else 'not to be had here'}")
    with _locked(paths):
        if startup.stands(paths, executables):
            display.say(f"sandbox {paths.name} is up already")
            return 0
        with display.starting() as ready:
            startup.start(paths, executables, ready)
    display.say(f"sandbox {paths.name} is up after {time.monotonic() - began:.1f} s")
    return 0


def down(paths: Paths, *, purge: bool) -> int:
    """Removes the sandbox; its images and logs stay unless `purge`."""
    from sandbox import teardown  # noqa: PLC0415

    with _locked(paths):
        teardown.remove(paths, purge=purge)
    Display().say(f"sandbox {paths.name} is down")
    return 0


def status(paths: Paths) -> int:
    """Prints a table of the components; 1 when one isn't healthy."""
    from sandbox.report import print_status  # noqa: PLC0415

    return 0 if print_status(paths) else 1


def execute(paths: Paths, command: list[str]) -> int:
    """Runs a command inside the sandbox, in this process's place."""
    from sandbox import shell  # noqa: PLC0415

    shell.execute(paths, command)
    raise AssertionError("unreachable: the process is the command now")


@contextmanager
def _locked(paths: Paths) -> Iterator[None]:
    """One `up` or `down` of a sandbox at a time; the next one waits."""
    paths.lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with paths.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _arguments() -> argparse.ArgumentParser:
    name = argparse.ArgumentParser(add_help=False)
    name.add_argument("--name", default="demo", help="of the sandbox; several stand side by side (default: demo)")
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="a real cluster on this machine")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", parents=[name], help="build what is missing, start it; does nothing when it stands")
    remove = commands.add_parser("down", parents=[name], help="remove it")
    remove.add_argument("--purge", action="store_true", help="its registry's images and its logs too")
    commands.add_parser("status", parents=[name], help="its components; exit status 1 when one isn't healthy")
    run = commands.add_parser("exec", parents=[name], help="run a command inside it")
    run.add_argument("arguments", nargs="+", metavar="-- command", help="the command and its arguments")
    return parser


def main() -> int:
    """Errors for people are one line on stderr, and exit status 1."""
    arguments = _arguments().parse_args()
    try:
        paths = Paths(arguments.name)
        if os.geteuid() != 0:
            raise SandboxError("the sandbox makes namespaces, mounts and cgroups: run it as root")
        if arguments.command == "exec":
            return execute(paths, arguments.arguments)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that an interrupted `up` cleans up after itself
        if arguments.command == "down":
            return down(paths, purge=arguments.purge)
        return {"up": up, "status": status}[arguments.command](paths)
    except (SandboxError, ImageError) as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
