"""What a stack was last deployed with, by its state: for jobs that must not go by the settings of their own commit."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulumi_slipway.core.keys import ENVIRONMENT_LABEL, INSTANCE, POOL_LABEL, TRACK_LABEL
from pulumi_slipway.core.model import Manifest, TrackName
from pulumi_slipway.pipeline import engine, snapshot, stack_files
from pulumi_slipway.release import ledger
from pulumi_slipway.release.manifests import PREVIEW

NO_STACK = "no stack named"
"""What the engine says of a stack that its backend doesn't have."""

RUNS_LOOKED_AT = 20


@dataclass(frozen=True)
class Deployed:
    """An object of Kubernetes as the stack's last run declared it."""

    urn: str
    manifest: Manifest = field(repr=False)
    """What was declared, secret values too: not for printing."""

    @property
    def kind(self) -> str:
        """Like `Deployment`."""
        return str(self.manifest["kind"])

    @property
    def name(self) -> str:
        """Its name in the cluster."""
        return str(self.manifest["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace; empty where it has none."""
        return str(self.manifest["metadata"].get("namespace", ""))

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self.manifest["metadata"].get("labels") or {}

    @property
    def environment(self) -> str:
        """The environment that it is of; empty where it is not Slipway's."""
        return self.labels.get(ENVIRONMENT_LABEL, "")

    @property
    def workload(self) -> str:
        """The workload that it is of; empty where it is not Slipway's."""
        return self.labels.get(INSTANCE, "") if self.environment else ""

    @property
    def track(self) -> TrackName | None:
        """The track that it is, where it is one."""
        label = self.labels.get(TRACK_LABEL, "")
        return TrackName(label) if self.workload and self.kind == "Deployment" and label in list(TrackName) else None

    @property
    def serves(self) -> bool:
        """Whether it is the Service that users reach a workload by."""
        if not self.workload or self.kind != "Service" or self.name.endswith(PREVIEW):
            return False
        return POOL_LABEL in (self.manifest["spec"].get("selector") or {})

    @property
    def is_ledger(self) -> bool:
        """Whether it is a workload's ledger."""
        return bool(self.workload) and self.kind == "ConfigMap" and self.name == ledger.name(self.workload)


@contextmanager
def settings(project: Path, stack: str) -> Iterator[Path | None]:
    """The project with the stack file of the stack's last run in the place of this commit's; it ends with the block.

    Every backend keeps it, encrypted values and what decrypts them as they are. None where no run came to a good end
    with it: it may be what the last one failed of.
    """
    with stack_files.workspace(project, stack, stack_files.NO_SETTINGS) as directory:
        if not ended_well(_history(directory, stack)):
            yield None
            return
        engine.read(["config", "refresh", "--force", "--stack", stack], directory=directory)
        known = stack_files.environment(stack_files.load(directory, stack))
        yield directory if known else None


def _history(directory: Path, stack: str) -> list[dict[str, Any]]:
    """The stack's last runs, the newest first, with their secrets: not for printing."""
    command = ["stack", "history", "--json", "--show-secrets", "--page-size", str(RUNS_LOOKED_AT), "--stack", stack]
    try:
        told: list[dict[str, Any]] = json.loads(engine.read(command, directory=directory))
    except engine.PulumiFailed as error:
        if NO_STACK not in str(error):
            raise
        return []
    return told


def ended_well(runs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the settings of the last run are those of one that succeeded: a rollback that was refused fails, too."""
    good = next((it["config"] for it in runs if it["result"] == "succeeded"), None)
    return good is not None and runs[0]["config"] == good


def read(project: Path, stack: str) -> dict[str, Any]:
    """The stack's state, with its secrets: not for printing; an empty one where nothing was deployed.

    Raises StackFileError for a name that is neither a stack nor has a file: it is misspelt.
    """
    try:
        exported = engine.read(["stack", "export", "--show-secrets", "--stack", stack], directory=project)
    except engine.PulumiFailed as error:
        if NO_STACK not in str(error):
            raise
        stack_files.load(project, stack)
        return {}
    state: dict[str, Any] = json.loads(exported)
    return state


def objects(state: Mapping[str, Any]) -> list[Deployed]:
    """The Kubernetes objects of a state, each as it was last declared."""
    found = [it for it in _resources(state) if it["type"].startswith("kubernetes:") and "kind" in it["inputs"]]
    return [Deployed(it["urn"], it["inputs"]) for it in found if "name" in it["inputs"].get("metadata", {})]


def others(state: Mapping[str, Any]) -> list[str]:
    """The URNs of the resources that are in no cluster: of a program that declares more than Slipway does."""
    own = ("kubernetes:", "pulumi:")
    return [it["urn"] for it in _resources(state) if not it["type"].startswith(own)]


def place(found: list[Deployed]) -> tuple[str, str] | None:
    """Name and namespace of the environment that was deployed; None where none was."""
    return next(((it.environment, it.namespace) for it in found if it.is_ledger), None)


def _resources(state: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for it in (state.get("deployment") or {}).get("resources") or ():
        if it.get("custom") and not it.get("delete"):
            yield {**it, "inputs": snapshot.revealed(it.get("inputs") or {})}
