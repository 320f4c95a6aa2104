"""Whose a workload in the namespace is: this stack's, another's, or one that the stack file no longer has."""

from collections.abc import Collection, Iterable, Iterator, Mapping

import pulumi

from pulumi_slipway.components.state import LastState
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import STACK
from pulumi_slipway.core.model import TrackName
from pulumi_slipway.release import ledger
from pulumi_slipway.release.observe import Snapshot
from pulumi_slipway.release.prepare import Prepared
from pulumi_slipway.settings import Access, Environment, Run


def this_stack() -> str:
    """The stack by the name that a ledger carries."""
    return f"{pulumi.get_project()}/{pulumi.get_stack()}"


def of_other_stacks(workloads: Collection[str], found: Snapshot) -> dict[str, str]:
    """The workloads that another stack of this environment has deployed, and which."""
    own = this_stack()
    ledgers = {name: found["ConfigMap"].get(ledger.name(name), {}) for name in workloads}
    stacks = {name: it.get("metadata", {}).get("annotations", {}).get(STACK, own) for name, it in ledgers.items()}
    return {name: stack for name, stack in stacks.items() if stack != own}


def refuse_to_adopt(workloads: Collection[str], others: Mapping[str, str], settings: Environment, run: Run) -> None:
    """Two stacks must not have one workload: a destroy of either deletes it. Raises UserError."""
    mistakes = [
        f"workload {name} in {settings.namespace} belongs to stack {others[name]}: give it another name here, or "
        f"take it over with SLIPWAY_TAKE_OVER={others[name]} and `pulumi state delete` it there"
        for name in sorted(workloads)
        if name in others and others[name] != run.take_over
    ]
    if mistakes:
        raise UserError("\n".join(mistakes))


def removed(workloads: Collection[str], settings: Environment, state: LastState) -> Iterator[str]:
    """What becomes of workloads that the stack file does not have; raises UserError where nobody has said so."""
    unsaid = []
    for name in sorted(workloads):
        tracks = ({"namespace": settings.namespace, "name": f"{name}{track.suffix}"} for track in TrackName)
        if not any(state.holds("Deployment", track) for track in tracks):
            yield (
                f"{name} is neither in the stack file nor in the stack's state: it is left as it is; to delete it: "
                f"kubectl -n {settings.namespace} delete all,configmaps,secrets -l app.kubernetes.io/instance={name}"
            )
        elif name in settings.remove:
            yield f"{name} is in slipway:environment.remove: what this stack has made of it is deleted"
        else:
            unsaid.append(
                f"workload {name} runs in {settings.namespace} and is not in the stack file: put it back, or have it "
                f"deleted by `slipway:environment: {{remove: [{name}]}}`; where it has another name now, say "
                f"`renamedFrom: {name}` there"
            )
    if unsaid:
        raise UserError("\n".join(unsaid))


def unknown(workloads: Iterable[Prepared], state: LastState) -> Iterator[str]:
    """The workloads that run and that the state does not know, for a preview, which compares with the state."""
    for one in workloads:
        live = [it["metadata"] for (kind, _), it in one.world.objects.items() if kind == "Deployment"]
        if live and not any(state.holds("Deployment", it) for it in live):
            yield (
                f"{one.subject.name} runs already, and the state that this preview compares with does not know it: "
                "what is shown as new of it is there"
            )


def kept(workloads: Iterable[Prepared], settings: Environment, state: LastState) -> Iterator[str]:
    """What stays in the cluster though no source has it any more: data is deleted by somebody who names it."""
    here = {(it.wanted.kind, it.wanted.name) for one in workloads for it in one.extra_objects}
    for kind, namespace, name in sorted(state.kept if state.urns is not None else ()):
        if namespace in (settings.namespace, "") and (kind, name) not in here:
            where = f"-n {namespace} " if namespace else ""
            yield (
                f"{kind} {name} is in no source any more: it stays in the cluster with what is in it, and leaves the "
                f"stack; to delete it: kubectl {where}delete {kind.lower()} {name}"
            )


def removed_namespaces(settings: Access, state: LastState) -> Iterator[str]:
    """What becomes of namespaces whose environment is no longer set up; raises UserError where nobody has said so."""
    wanted = {it.namespace for it in settings.environments.values()}
    made = {
        name
        for (kind, _, name), known in (state.urns or {}).items()
        if kind == "Namespace" and any("slipway:index:EnvironmentNamespace$" in urn for urn, _ in known)
    }
    unsaid = sorted(made - wanted - {*settings.remove})
    if unsaid:
        raise UserError(
            "\n".join(
                f"slipway:access.environments: none has namespace {name}, which this stack has made: put it back, or "
                f"have it deleted with all that runs there by `slipway:access: {{remove: [{name}]}}`"
                for name in unsaid
            )
        )
    for name in sorted(made - wanted):
        yield f"{name} is in slipway:access.remove: the namespace is deleted with all that runs there"
