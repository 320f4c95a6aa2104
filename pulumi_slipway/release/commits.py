"""What git tells of a commit beside the one that is checked out: whether each has what the other has."""

import os
import re
import subprocess
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from pulumi_slipway.core.errors import UserError

FETCH_SECONDS = 60


class GitFailed(UserError):
    """Git can't tell what is checked out."""


class Commits:
    """The commits of a checkout; HEAD is what this pipeline is about."""

    def __init__(self, project: Path) -> None:
        self._project = project
        found = self._git("rev-parse", "HEAD")
        if found.returncode:
            said = " ".join(found.stderr.split()) or "it said nothing"
            raise GitFailed(f"git can't tell which commit is checked out in {project.resolve()}: {said}")
        self.head = found.stdout.strip()

    def knows(self, commit: str) -> bool:
        """Whether this clone has the commit; one that it lacks is asked for, as a squashed branch's may be."""
        if not re.fullmatch(r"[0-9a-f]{7,64}", commit):
            return False
        if self._has(commit):
            return True
        self._git("fetch", "--quiet", "origin", commit)
        return self._has(commit)

    def holds(self, commit: str) -> bool:
        """Whether HEAD has the commit among its ancestors; a commit that this clone doesn't know it has not."""
        return self._git("merge-base", "--is-ancestor", commit, "HEAD").returncode == 0

    def within(self, commit: str) -> bool:
        """Whether the commit is HEAD, or has it among its ancestors."""
        return self._git("merge-base", "--is-ancestor", "HEAD", commit).returncode == 0

    def differing(self, commit: str, paths: Sequence[str]) -> list[str]:
        """The files, from the repository's root, that HEAD has otherwise than the commit.

        `paths`: what counts, from the root. Where that is the root itself, the settings of the environments and the
        pipeline's own file do not: they are in no image, and a deployment takes them from its own commit.
        """
        wanted = [f":(top){path}" for path in paths if path not in (".", "./", "")]
        if len(wanted) < len(paths) or not paths:
            wanted = [":(top)", *(f":(top,exclude,glob)**/{name}" for name in ("Pulumi.*.yaml", ".gitlab-ci.yml"))]
        found = self._git("diff", "--name-only", "--no-renames", "-z", commit, "HEAD", "--", *wanted)
        if found.returncode:
            said = " ".join(found.stderr.split())
            raise GitFailed(f"git can't compare {commit[:8]} with what is checked out: {said}")
        return [name for name in found.stdout.split("\0") if name]

    def _has(self, commit: str) -> bool:
        return self._git("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0

    def _git(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        # The runner's checkout may belong to another user than the job's: it is read, and nothing in it is run.
        command = ["git", "-c", "safe.directory=*", *arguments]
        environ = os.environ | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        try:
            return subprocess.run(
                command, cwd=self._project, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                check=False, timeout=FETCH_SECONDS,
            )  # fmt: skip
        except FileNotFoundError:
            raise GitFailed("there is no git on the PATH, which tells what staging runs beside this commit") from None
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 1, "", f"no answer within {FETCH_SECONDS} s")


def lacking(head: str, tell: Callable[[str], None], directory: Path = Path()) -> Callable[[Collection[str]], str]:
    """What says of an image, by the commits that it is of, what it lacks of `head`, this pipeline's commit.

    Empty: nothing, or it can't be told; then `tell` is, unless there is no pipeline (`head` empty).
    """

    def lacks(made: Collection[str]) -> str:
        if not head:
            return ""
        try:
            return _lacks(Commits(directory), head, made)
        except GitFailed as error:
            tell(f"whether it has what this pipeline's commit has can't be told: {error}")
            return ""

    return lacks


def _lacks(commits: Commits, head: str, made: Collection[str]) -> str:
    known = [commit for commit in made if commits.knows(commit)]
    if commits.head != head or not known:
        why = f"{commits.head[:8]} is checked out" if known else "its commit is in no record, or not in this clone"
        raise GitFailed(why)
    more = {commit: commits.differing(commit, (".",)) for commit in known if not commits.within(commit)}
    if len(more) < len(known) or not all(more.values()):
        return ""
    commit, names = min(more.items(), key=lambda it: len(it[1]))
    return f"is of commit {commit[:8]}, which lacks what this pipeline's commit {head[:8]} has ({few(names)})"


def few(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
