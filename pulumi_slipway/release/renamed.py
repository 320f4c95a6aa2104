"""A workload under a new name: what the old one has is taken over, and users are never without pods.

The engine deletes what the program no longer declares, the old name's objects, when a run is done: so no run may be
done before the new name serves.
"""

from collections.abc import Mapping

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import INSTANCE, POOL_LABEL
from pulumi_slipway.core.model import Manifest, Phase, TrackName
from pulumi_slipway.core.plan import Plan
from pulumi_slipway.release.manifests import Subject, ownership
from pulumi_slipway.release.observe import Snapshot, World, ledger_of
from pulumi_slipway.settings import Action, Run


def old_tracks(found: Snapshot, subject: Subject) -> list[Manifest]:
    """The Deployments that the old name has still."""
    owner = {**ownership(subject.environment.name), INSTANCE: subject.workload.renamed_from}
    tracks: Mapping[str, Manifest] = found.get("Deployment", {})
    names = {f"{subject.workload.renamed_from}{track.suffix}" for track in TrackName}
    return [it for name, it in tracks.items() if name in names and owner.items() <= it["metadata"]["labels"].items()]


def refuse_halves(found: Snapshot, subject: Subject, world: World, run: Run) -> None:
    """Raises UserError for a run that can't move the workload, or would leave users on what is deleted."""
    tracks = old_tracks(found, subject)
    if not tracks:
        return
    name, old = subject.name, subject.workload.renamed_from
    where = f"slipway:workloads.{name}.renamedFrom: "
    if run.action is not Action.DEPLOY or (run.only and name not in run.only):
        raise UserError(f"{where}{old} is still to be renamed: run without SLIPWAY_ACTION and SLIPWAY_WORKLOADS first")
    last = next(reversed(ledger_of(found, str(subject.workload.renamed_from))), None)
    if last and last.outcome in (Phase.PROGRESSING, Phase.PAUSED):
        raise UserError(
            f"{where}release {last.release.id} is {last.outcome}: promote or abort it under the old name first"
        )
    serving = world.observed.pool
    for track in tracks:
        labels = track["spec"]["template"]["metadata"]["labels"]
        mistaken = subject.selector.items() <= labels.items() and labels.get(POOL_LABEL) != serving
        if mistaken and serving and track["spec"].get("replicas", 1):
            raise UserError(
                f"{where}{track['metadata']['name']} is warm, and its pods would be taken for new ones: "
                "SLIPWAY_ACTION=settle under the old name retires it once its window is over"
            )


def refuse_to_wait(found: Snapshot, subject: Subject, decided: Plan) -> None:
    """Raises UserError for a plan that does not end with users on the new name."""
    if old_tracks(found, subject) and decided.phase is not Phase.HEALTHY:
        raise UserError(
            f"slipway:workloads.{subject.name}.renamedFrom: this run would end {decided.phase}, and delete "
            f"{subject.workload.renamed_from}, which serves: rename it by a run that goes to its end (autoPromote, "
            "steps with a pause)"
        )
