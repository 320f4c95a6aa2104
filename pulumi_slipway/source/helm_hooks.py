"""A chart's hooks: what Helm itself runs at an install or upgrade, and does not count to its release.

Source: https://helm.sh/docs/topics/charts_hooks/
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from pulumi_slipway.source.rendered import Rendered, SourceError

How = Literal["refuse", "skip", "run"]
"""What is done with them. `run`: those of pre-install and pre-upgrade are made before the release, by their weights."""
BEFORE = {"pre-install", "pre-upgrade"}
HOOK = "helm.sh/hook"


def taken(prefix: str, how: How, rendered: Sequence[Rendered]) -> list[Rendered]:
    """The objects that are no hooks, and with `run` those hooks that come before them; raises SourceError.

    A hook's Job is an ordinary one then: done once for each image, and never on the way back.
    """
    plain = [one for one in rendered if one.hook is None]
    hooks = [one for one in rendered if one.hook is not None and not _is_test(one)]
    if not hooks or how == "skip":
        return plain
    if how == "refuse":
        raise SourceError(
            f"{prefix}the chart has Helm hooks: {_titles(hooks)}: say what becomes of them by helm.hooks: `run` makes "
            "those of pre-install and pre-upgrade before each release, `skip` leaves all out"
        )
    if others := [one for one in hooks if not BEFORE & _events(one)]:
        raise SourceError(
            f"{prefix}these Helm hooks have no counterpart here: "
            + "; ".join(f"{one.title} ({one.hook})" for one in others)
            + ": turn them off by values, or leave all hooks out with helm.hooks: skip"
        )
    return [*(_plain(one) for one in sorted(hooks, key=_weight)), *plain]


def left_out(how: How, rendered: Iterable[Rendered]) -> list[str]:
    """The hooks that a definition leaves out, by name, so that it can be told."""
    return [one.title for one in rendered if one.hook is not None and (how != "run" or _is_test(one))]


def _titles(hooks: Iterable[Rendered]) -> str:
    return "; ".join(one.title for one in hooks)


def _events(one: Rendered) -> set[str]:
    return {event.strip() for event in str(one.hook).split(",")}


def _is_test(one: Rendered) -> bool:
    return all(event.startswith("test") for event in _events(one))


def _weight(one: Rendered) -> int:
    said = one.annotations.get("helm.sh/hook-weight", "0")
    return int(said) if said.lstrip("+-").isdigit() else 0


def _plain(one: Rendered) -> Rendered:
    metadata = dict(one.manifest["metadata"])
    metadata["annotations"] = {key: it for key, it in one.annotations.items() if not key.startswith(HOOK)}
    return Rendered({**one.manifest, "metadata": metadata}, one.place)
