"""The command line of the pipeline's jobs: `python -m pipeline up|rollback|preview|note|review|drift|promote`."""

import argparse
import os
import sys
from pathlib import Path

from errors import UserError
from pipeline.stack_files import project_directory


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; errors for people are one line on stderr, and exit status 1."""
    given = _parser().parse_args(arguments)
    try:
        return _run(given, project_directory())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(given: argparse.Namespace, project: Path) -> int:  # noqa: PLR0911  a table of commands
    # Each command loads only what it needs.
    if given.command == "up":
        from pipeline.deploy import deploy  # noqa: PLC0415

        return deploy(project, given.stack, _locking(given))
    if given.command == "rollback":
        from pipeline.rollback import rollback  # noqa: PLC0415

        return rollback(project, given.stack, _locking(given), if_failed=given.if_failed)
    if given.command == "preview":
        from pipeline.preview import preview, table  # noqa: PLC0415

        found = preview(project, given.stack, given.out)
        print(table(found), flush=True)
        return 1 if found.error is not None else 0
    if given.command == "note":
        from pipeline.preview import put_note  # noqa: PLC0415

        print(put_note(given.out), flush=True)
        return 0
    if given.command == "drift":
        from pipeline.drift import drift  # noqa: PLC0415

        return drift(project, given.stack)
    if given.command == "promote":
        from pipeline.promote import promote  # noqa: PLC0415

        print(promote(project, given.source, given.stack, given.dotenv), flush=True)
        return 0
    return _review(given, project)


def _review(given: argparse.Namespace, project: Path) -> int:
    from pipeline import review  # noqa: PLC0415
    from pipeline.project import API_TOKEN, connect  # noqa: PLC0415
    from pipeline.up import Locking  # noqa: PLC0415

    if given.what == "sweep":
        gitlab = connect(API_TOKEN)
        if gitlab is None:
            raise UserError(
                f"{API_TOKEN} is not set: the sweep asks GitLab which merge requests are open (docs/security.md)"
            )
        # Its jobs are not serialised with those of the branches; but no job outlives its timeout.
        timeout = float(os.environ.get("CI_JOB_TIMEOUT") or 3600)
        return review.sweep(project, gitlab, Locking(serialised=False, wait=0, dead_after=timeout))
    if not given.branch:
        raise UserError("--branch is not given and CI_COMMIT_REF_NAME is not set: which branch is it for?")
    command = review.up if given.what == "up" else review.stop
    return command(project, given.branch, _locking(given))


def _locking(given: argparse.Namespace):  # type: ignore[no-untyped-def]  # noqa: ANN202
    from pipeline.up import Locking  # noqa: PLC0415

    return Locking(given.serialised, given.lock_wait)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline", description="what a job does around `pulumi`")
    commands = parser.add_subparsers(dest="command", required=True)

    stack = argparse.ArgumentParser(add_help=False)
    stack.add_argument("--stack", required=True)
    locks = argparse.ArgumentParser(add_help=False)
    locks.add_argument(
        "--serialised",
        action="store_true",
        help="the job has a resource_group, so a lock that is found is a dead job's and may be lifted",
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

    commands.add_parser("up", parents=[stack, locks], help="pulumi up; SLIPWAY_IMAGE, SLIPWAY_ACTION say what")
    back = commands.add_parser("rollback", parents=[stack, locks], help="pulumi up with SLIPWAY_ACTION=rollback")
    back.add_argument("--if-failed", action="store_true", help="only where a release did not come up")
    commands.add_parser("preview", parents=[stack, out], help="pulumi preview with the read-only identity")
    commands.add_parser("note", parents=[out], help="the previews as a note on the merge request")
    commands.add_parser("drift", parents=[stack], help="whether the cluster is still what was deployed")
    promote = commands.add_parser(
        "promote", parents=[stack], help="the images that another environment shows to be good"
    )
    promote.add_argument("--from", dest="source", required=True, metavar="STACK")
    promote.add_argument("--dotenv", type=Path, required=True, metavar="FILE")
    review = commands.add_parser("review", parents=[locks], help="the review environment of a branch")
    review.add_argument("what", choices=["up", "stop", "sweep"])
    review.add_argument("--branch", default=os.environ.get("CI_COMMIT_REF_NAME"), help="default: CI_COMMIT_REF_NAME")
    return parser


if __name__ == "__main__":
    sys.exit(main())
