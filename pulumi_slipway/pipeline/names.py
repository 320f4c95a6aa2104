"""Names of what belongs to one branch: made from the branch's name alone, so that any job can make them again."""

import base64
import hashlib
import re
import unicodedata

READABLE, HASH = 9, 10
"""Lengths of the two parts of a slug: for people, and 50 bits that tell one branch from another."""
PREFIX = "review-"


def slug(branch: str) -> str:
    """`feature/JIRA-7-login` becomes something like `jira-7-lo-k2v5q7x3ma`: a-z, 0-9 and -, at most 20 of them.

    The end is a hash of the whole name, exactly as Git has it, so branches that look alike to people stay apart.
    GitLab's own slug of an environment has a random end: a job without that environment (the sweep) can't know it.
    """
    last = branch.rstrip("/").rpartition("/")[2]
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode().lower()
    readable = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:READABLE].strip("-")
    digest = base64.b32encode(hashlib.sha256(branch.encode("utf-8", "surrogateescape")).digest()).decode().lower()
    return f"{readable}-{digest[:HASH]}" if readable else digest[:HASH]


def stack(branch: str) -> str:
    """The stack of a branch's review environment; it is the environment's name in the cluster, too."""
    return PREFIX + slug(branch)


def environment(branch: str, merge_request: int | None) -> str:
    """GitLab's name of a branch's environment, as the rules in templates/review.yml give it.

    GitLab takes letters, digits, blanks and -_/.${} in an environment's name, 255 at most. A branch with other
    characters gets GitLab's own slug of it with the merge request's number, which no other branch has.
    """
    if re.fullmatch(r"[a-zA-Z0-9_/.-]{1,248}", branch):
        return f"review/{branch}"
    return f"review/{ref_slug(branch)}-{merge_request or 0}"


def ref_slug(ref: str) -> str:
    """CI_COMMIT_REF_SLUG: lower case, 63 at most, all but 0-9 and a-z replaced by -, none at the ends."""
    return re.sub(r"[^a-z0-9]", "-", ref.lower())[:63].strip("-")
