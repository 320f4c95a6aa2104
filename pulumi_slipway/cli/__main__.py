"""The command `slipway`: what a job of the pipeline does around `pulumi`, and what a person asks outside a run.

Each command loads only what it needs.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pulumi_slipway.core.action import Action
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.foreign import shown
from pulumi_slipway.pipeline.stack_files import project_directory
from pulumi_slipway.pipeline.up import Locking

Given = argparse.Namespace


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; errors for people are one line on stderr, and exit status 1."""
    given = _parser().parse_args(arguments)
    run: Callable[[Given], int] = given.run
    try:
        return run(given)
    except UserError as error:
        print(f"error: {shown(str(error), keep=chr(10))}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # of `| head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _up(given: Given) -> int:
    from pulumi_slipway.pipeline.deploy import act, deploy  # noqa: PLC0415

    action = os.environ.get("SLIPWAY_ACTION", "").strip()
    if action == Action.SETTLE:
        return _settle(given)
    if action in (Action.ROLLBACK, Action.ABORT, Action.REJECT):
        return act(project_directory(), given.stack, _locking(given), Action(action))

    return deploy(project_directory(), given.stack, _locking(given), needs_image=given.needs_image)


def _settle(given: Given) -> int:
    from pulumi_slipway.pipeline.settle import settle  # noqa: PLC0415

    return settle(project_directory(), given.stack, _locking(given))


def _act(given: Given) -> int:
    from pulumi_slipway.pipeline.deploy import act  # noqa: PLC0415

    return act(project_directory(), given.stack, _locking(given), Action(given.command))


def _rollback(given: Given) -> int:
    from pulumi_slipway.pipeline.rollback import rollback  # noqa: PLC0415

    return rollback(project_directory(), given.stack, _locking(given), if_failed=given.if_failed)


def _promote(given: Given) -> int:
    if given.source is None:
        return _act(given)
    from pulumi_slipway.pipeline.promote import Built, promote  # noqa: PLC0415

    built = Built(given.built_from or (".",), given.workload)
    print(shown(promote(project_directory(), given.source, given.stack, given.dotenv, built), keep="\n"), flush=True)
    return 0


def _preview(given: Given) -> int:
    from pulumi_slipway.pipeline.preview import preview, table  # noqa: PLC0415

    found = preview(project_directory(), given.stack, given.out)
    print(shown(table(found), keep="\n"), flush=True)
    return 1 if found.error is not None else 0


def _note(given: Given) -> int:
    from pulumi_slipway.pipeline.preview import put_note  # noqa: PLC0415

    project_directory()
    print(put_note(given.out), flush=True)
    return 0


def _drift(given: Given) -> int:
    from pulumi_slipway.pipeline.drift import drift  # noqa: PLC0415

    return drift(project_directory(), given.stack)


def _review(given: Given) -> int:
    from pulumi_slipway.pipeline import review, sweep  # noqa: PLC0415
    from pulumi_slipway.pipeline.project import API_TOKEN, connect  # noqa: PLC0415

    if given.what == "sweep":
        gitlab = connect(API_TOKEN)
        if gitlab is None:
            raise UserError(
                f"{API_TOKEN} is not set: the sweep asks GitLab which merge requests are open (docs/security.md)"
            )
        return sweep.sweep(project_directory(), gitlab, dry_run=given.dry_run)
    if not given.branch:
        raise UserError("--branch is not given and CI_COMMIT_REF_NAME is not set: which branch is it for?")
    command = review.up if given.what == "up" else review.stop
    return command(project_directory(), given.branch, _locking(given))


def _revoke(given: Given) -> int:
    from pulumi_slipway.access.revoke import revoke  # noqa: PLC0415
    from pulumi_slipway.cluster.client import connect  # noqa: PLC0415
    from pulumi_slipway.pipeline import stack_files  # noqa: PLC0415

    known = stack_files.environments(stack_files.load(project_directory(), given.stack))
    if missing := sorted({*given.environments} - known.keys()):
        raise UserError(f"Pulumi.{given.stack}.yaml has no environment {missing[0]}; there are: {', '.join(known)}")
    chosen = {name: known[name] for name in given.environments or known}
    ended = revoke(connect(), chosen, print)
    print(f"{ended} tokens revoked; `pulumi up --stack {given.stack}` makes new ones")
    return 0


def _state(given: Given) -> int:
    from pulumi_slipway.pipeline.state_restore import restore  # noqa: PLC0415

    print(shown(restore(project_directory(), given.stack)), flush=True)
    return 0


def _status(given: Given) -> int:
    from pulumi_slipway.cli import status  # noqa: PLC0415

    if given.watch and not sys.stdout.isatty():
        given.parser.error("--watch needs a terminal: leave it out, or use --json")
    if not given.watch:
        status.show(given.namespaces, given.workloads, as_json=given.json)
        return 0
    try:
        status.watch(given.namespaces, given.workloads)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    return 0


def _init(given: Given) -> int:
    from pulumi_slipway.cli import init  # noqa: PLC0415

    ask = not given.yes
    if ask and not sys.stdin.isatty():
        given.parser.error("there is no terminal to ask on: give --yes, and what is not to be the default")
    init.init({name: getattr(given, name) for name in init.QUESTIONS}, given.directory, ask=ask)
    return 0


def _schema(_: Given) -> int:
    from pulumi_slipway.settings.schema import schema  # noqa: PLC0415

    print(json.dumps(schema(), indent=2, ensure_ascii=False))
    return 0


def _locking(given: Given) -> Locking:
    timeout = os.environ.get("CI_JOB_TIMEOUT")
    return Locking(given.serialised, given.lock_wait, float(timeout) if timeout else None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="slipway", description="from GitLab to Kubernetes, around `pulumi`")
    commands = parser.add_subparsers(dest="command", required=True)
    stack = argparse.ArgumentParser(add_help=False)
    stack.add_argument("--stack", required=True)
    locks = argparse.ArgumentParser(add_help=False)
    locks.add_argument(
        "--serialised",
        action="store_true",
        help="the job has a resource_group, so a lock that is found may be a dead job's: it is lifted, in a job of "
        "GitLab's once GitLab says that its job has ended",
    )
    locks.add_argument(
        "--lock-wait",
        type=float,
        default=600,
        metavar="SECONDS",
        help="for a lock that may not be lifted (default: 600)",
    )
    out = argparse.ArgumentParser(add_help=False)
    out.add_argument("--out", type=Path, default=Path("slipway-preview"), help="directory of the previews")

    def command(
        name: str, run: Callable[[Given], int], text: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(name, parents=parents, help=text, description=text)
        made.set_defaults(run=run, parser=made)
        return made

    up = command("up", _up, "pulumi up; SLIPWAY_IMAGE says what to release", stack, locks)
    up.add_argument("--needs-image", action="store_true", help="fail where the job was handed no image to release")
    command("preview", _preview, "pulumi preview with the read-only identity", stack, out)
    command("note", _note, "the previews as a note on the merge request", out)
    promote = command("promote", _promote, "a Paused release goes on; with --from: what another environment runs is "
                      "good, as variables for the jobs that follow", stack, locks)  # fmt: skip
    promote.add_argument("--from", dest="source", metavar="STACK")
    promote.add_argument("--dotenv", type=Path, default=Path("promoted.env"), metavar="FILE")
    promote.add_argument("--built-from", action="append", metavar="PATH", help="what this pipeline's image is made of, "
                         "from the repository's root; may be given several times (default: all of it)")  # fmt: skip
    promote.add_argument("--workload", default="", help="the workload that it is for (default: all)")
    command("abort", _act, "a release that is Paused or under way is rolled back", stack, locks)
    command("reject", _act, "no environment may take the image that is live, or under way, from here", stack, locks)
    back = command("rollback", _rollback, "back to the release before", stack, locks)
    back.add_argument("--if-failed", action="store_true", help="only where a release did not come up")
    command("settle", _settle, "the tracks that no rollback needs any more are retired, and nothing else", stack, locks)
    command("drift", _drift, "whether the cluster is still what was deployed", stack)
    state = command("state", _state, "restore: a whole state in the place of a damaged one, in a file backend", stack)
    state.add_argument("what", choices=["restore"])
    review = command("review", _review, "the review environment of a branch", locks)
    review.add_argument("what", choices=["up", "stop", "sweep"])
    review.add_argument("--dry-run", action="store_true", help="sweep: only say what would be taken away")
    review.add_argument("--branch", default=os.environ.get("CI_COMMIT_REF_NAME"), help="default: CI_COMMIT_REF_NAME")
    shown = command(
        "status", _status, "what runs where, from the cluster that the kubeconfig in use points to, and nothing else"
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
    made = command("init", _init, "makes a project: writes the files that are not there yet, and says what comes next")
    made.add_argument("-y", "--yes", action="store_true", help="ask nothing: what is not given has its default")
    for flag, text in (
        ("name", "of the Pulumi project (default: the folder's)"),
        ("workload", "its name in the cluster (default: the project's)"),
        ("gitlab-project", "group/app, or its number (default: the remote `origin`)"),
        ("domain", "of production; staging is at staging.<domain> (default: example.com)"),
        ("namespace-prefix", "before the environments' names in the cluster (default: none)"),
        ("strategy", "rolling, blueGreen or canary (default: rolling)"),
        ("components", "<host>/<project> of Slipway's CI components (default: $CI_SERVER_FQDN/platform/slipway)"),
    ):
        made.add_argument(f"--{flag}", help=text)
    made.add_argument("--directory", type=Path, default=Path(), metavar="PATH",
                      help="of the Pulumi project, below the repository's root (default: the root)")  # fmt: skip
    ended = command("revoke", _revoke, "ends the pipeline's tokens at once, as an administrator of the cluster")
    ended.add_argument("environments", nargs="*", metavar="environment", help="only these (default: all of the stack)")
    ended.add_argument("--stack", default="access", help="whose environments (default: access)")
    command("schema", _schema, "the JSON Schema of a stack file, for editors")
    return parser


if __name__ == "__main__":
    sys.exit(main())
