"""What the API server makes of an object: admission webhooks change what is written (sidecars, image rewriters)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi_slipway.cluster.kinds import Kinds
from pulumi_slipway.core.keys import PREFIX, RELEASE_LABEL
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.release.declared import comparable
from pulumi_slipway.release.drift import drift
from pulumi_slipway.release.manifests import API_VERSIONS, MANAGER

Explains = Callable[[str, Manifest, Manifest | None], bool]
"""Whether a live object of this kind is other than it is wanted by the work of admission alone."""


def unexplained(kind: str, wanted: Manifest, live: Manifest | None) -> bool:
    """Where no cluster is asked."""
    return False


@dataclass(frozen=True)
class Admission:
    """Tells what admission has changed from what has drifted, and from what is new."""

    kinds: Kinds
    written: Callable[[str, Mapping[str, Any]], Manifest | None]
    """What an object was after the last run's write, by kind and metadata."""

    def explains(self, kind: str, wanted: Manifest, live: Manifest | None) -> bool:
        """By a dry run, of those objects that differ.

        An identity that may not write has no dry run, nor has a webhook with side effects. Then a Deployment's template
        that is as the last run left it is taken for admission's work: its release is the hash of what was asked.
        """
        if live is None:
            return False
        differs = drift(compared := comparable(dict(wanted)), live)
        if not differs and not _longer(compared, live):
            return False
        kept = {key: it for key, it in _annotations(live).items() if key.startswith(PREFIX)}
        metadata = {**compared["metadata"], "annotations": {**kept, **compared["metadata"]["annotations"]}}
        whole = {"apiVersion": API_VERSIONS.get(kind), "kind": kind, **compared, "metadata": metadata}
        made = self.kinds.apply_dry(whole, MANAGER)
        if made is not None:
            return _content(made, compared) == _content(live, compared)
        if kind != "Deployment":
            return False
        there = self.written(kind, metadata)
        template = all(path.startswith("spec.template.") for path in differs) and _release(wanted) == _release(live)
        return template and there is not None and there["spec"]["template"] == live["spec"]["template"]


def _content(it: Manifest, declared: Manifest) -> Manifest:
    """What of an object a write of it would change."""
    said = {key: value for key, value in _annotations(it).items() if not key.startswith("pulumi.com/")}
    return {**{key: it.get(key) for key in declared}, "metadata": (it["metadata"].get("labels"), said)}


def _annotations(it: Manifest) -> Mapping[str, str]:
    found: Mapping[str, str] = it["metadata"].get("annotations") or {}
    return found


def _longer(wanted: object, live: object) -> bool:
    """Whether a list has more in it than is declared: what somebody else has put there is no drift."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and any(_longer(it, live.get(key)) for key, it in wanted.items())
    if isinstance(wanted, str) or not isinstance(wanted, Sequence) or not isinstance(live, Sequence):
        return False
    return len(live) != len(wanted) or any(_longer(*pair) for pair in zip(wanted, live, strict=True))


def _release(deployment: Manifest) -> str:
    return str((deployment["spec"]["template"]["metadata"].get("labels") or {}).get(RELEASE_LABEL))
