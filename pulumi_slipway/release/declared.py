"""How a manifest is declared, so that the engine sees what the cluster says."""

from collections.abc import Mapping
from typing import Any

from pulumi_slipway.core.keys import OBSERVED, PROVENANCE, RUNS
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.release.drift import drift


def declared(
    wanted: dict[str, Any],
    live: Manifest | None,
    *,
    always: bool = False,
    by: Mapping[str, str] | None = None,
    admitted: bool = False,
) -> dict[str, Any]:
    """The manifest with the annotation that makes the engine see what the cluster says.

    The engine compares inputs with the last inputs, never with the cluster. Where the live object differs from what is
    wanted, the annotation takes its resourceVersion, so that the inputs differ too; where it agrees, it keeps its
    value; where there is none, components/state.py sees to it. `always`: differ in any case. `by`: annotations that
    tell of this run, for an object that it changes; one that stays as it is keeps those of the run that made it so.
    `admitted`: what differs is the work of admission, which is no drift.
    """
    had = (live or {}).get("metadata", {}).get("annotations", {})
    provenance = {key: it for key, it in had.items() if key == RUNS or key.startswith(PROVENANCE)}
    if live is None:
        value, provenance = None, dict(by or {})
    elif always or (drift(comparable(wanted), live) and not admitted):
        value = live["metadata"]["resourceVersion"]
        provenance = dict(by or {})
    else:
        value = had.get(OBSERVED)
    observed = {OBSERVED: value} if value else {}
    annotations = {**(provenance if by is not None else {}), **wanted["metadata"].get("annotations", {}), **observed}
    return {**wanted, "metadata": {**wanted["metadata"], "annotations": annotations}}


def comparable(wanted: dict[str, Any]) -> dict[str, Any]:
    """Without the annotations that speak to the provider: whether they reach the live object is its affair."""
    metadata = wanted["metadata"]
    annotations = {k: v for k, v in metadata.get("annotations", {}).items() if not k.startswith("pulumi.com/")}
    return {**wanted, "metadata": {**wanted["metadata"], "annotations": annotations}}
