"""Slipway's command line: `python -m slipway status [--namespace N] [--watch | --json] [workload …]`."""

import argparse
import os
import sys

from errors import UserError
from slipway import status


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; 1 with one clear line where the cluster can't be read."""
    parser = argparse.ArgumentParser(prog="python -m slipway", description="Slipway outside a run")
    commands = parser.add_subparsers(dest="command", required=True)
    shown = commands.add_parser(
        "status",
        help="what runs where, from the cluster alone",
        description="What runs where, from the cluster that the kubeconfig in use points to, and from nothing else.",
    )
    shown.add_argument("workloads", nargs="*", metavar="workload", help="only these (default: all)")
    shown.add_argument(
        "-n",
        "--namespace",
        action="append",
        default=[],
        dest="namespaces",
        metavar="N",
        help="where; may be given several times (default: the kubeconfig's namespace, else all with workloads)",
    )
    how = shown.add_mutually_exclusive_group()
    how.add_argument("--watch", action="store_true", help="a live table on a terminal, until Ctrl-C")
    how.add_argument("--json", action="store_true", help="for machines")
    wanted = parser.parse_args(arguments)
    if wanted.watch and not sys.stdout.isatty():
        parser.error("--watch needs a terminal: leave it out, or use --json")
    try:
        if wanted.watch:
            status.watch(wanted.namespaces, wanted.workloads)
        else:
            status.show(wanted.namespaces, wanted.workloads, as_json=wanted.json)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # of `| head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 0 if wanted.watch else 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
