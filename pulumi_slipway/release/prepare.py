"""Everything a run must know of a workload before the first write: observe, settle what is wanted, plan."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lightkube import Client

from pulumi_slipway.cluster.kinds import Kinds
from pulumi_slipway.core.action import variable
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.goal import NothingToDo
from pulumi_slipway.core.keys import PROVENANCE, RUNS
from pulumi_slipway.core.model import Manifest, Observed, Pool, Record, Release, TrackName
from pulumi_slipway.core.plan import LEDGER, Plan, TrackPlan, Way, plan
from pulumi_slipway.core.rules import Rules
from pulumi_slipway.core.steps import Gate, Ready
from pulumi_slipway.release import bound, checks, foreign_autoscaler, jobs, ledger, manifests, renamed
from pulumi_slipway.release.admitted import Explains, unexplained
from pulumi_slipway.release.drift import drift
from pulumi_slipway.release.extra_objects import ExtraObject, extra_objects, image_beside, pointed
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.observe import Snapshot, World, adopted, observe, release_secret
from pulumi_slipway.release.pod_template import pod_template
from pulumi_slipway.release.rules import rules_of
from pulumi_slipway.release.service_ports import behind, pod_ports, policies, running, services
from pulumi_slipway.release.target import unknown_ports
from pulumi_slipway.release.wanted import wanted_image, wanted_secret
from pulumi_slipway.settings import Action, Run
from pulumi_slipway.source.content import content_of


@dataclass(frozen=True)
class VersionedConfig:
    """A ConfigMap or Secret whose name ends with a hash of what is in it, and that must be there after this run."""

    content: Manifest | None = field(repr=False)
    """What it holds (`data`, `binaryData`, `type`); None where this identity may not read it: then it
    stays as it is."""
    live: Manifest | None = field(repr=False)
    readable: bool = True
    """Whether this identity may read it; where not, `live` is None though there may be one."""


@dataclass(frozen=True)
class Prepared:
    """A workload with all that its resources are made of."""

    subject: Subject
    world: World
    rules: Rules
    plan: Plan
    deployments: Mapping[TrackName, Manifest]
    """Of every track that this run declares."""
    service: Manifest
    """What users reach it by, on the ports that the pods behind it have."""
    preview: Manifest | None
    """What reaches a blue-green release that is not live yet."""
    network_policy: Manifest | None
    configs: Mapping[tuple[str, str], VersionedConfig]
    """The configuration that the release, and those it may be rolled back to, need; by kind and name."""
    provenance: Mapping[str, str]
    extra_objects: tuple[ExtraObject, ...] = ()
    """The other objects of its source, with the release's image in them."""

    @property
    def by(self) -> dict[str, str]:
        """The annotations that tell of this run."""
        provenance = {f"{PROVENANCE}{key}": value for key, value in self.provenance.items()}
        return {**provenance, RUNS: self.plan.release.image}


def prepare(
    client: Client,
    subject: Subject,
    run: Run,
    found: Snapshot | None,
    *,
    preview: bool,
    warn: Callable[[str], None],
    environment: Mapping[str, str] = os.environ,
    offered: Sequence[Record] | None = None,
    tell: Callable[[str], None] = lambda line: None,
    kinds: Kinds | None = None,
    explains: Explains = unexplained,
) -> Prepared:
    """Observes a workload and plans this run; raises UserError before anything is written.

    NothingToDo where the action is for what was deployed before, and nothing was.

    `found`: what is in the namespace; None where there is none. `offered`: the workload's ledger in the environment
    that this one promotes from; None where it promotes from none. `preview`: what only a real run can know (a protected
    variable, an image behind a login) is a warning, not an error. `environment`: the job's variables, for `secretEnv`,
    checks and registry login. `kinds`: what the cluster serves, to be asked once for all workloads. `explains`: whether
    admission has made an object other than it is wanted.
    """
    if run.action is Action.DEPLOY and not preview:
        _checks_can_run(subject, environment)
    autoscalers = (found or {}).get("HorizontalPodAutoscaler", {})
    subject = foreign_autoscaler.scaled(subject, autoscalers)
    if line := foreign_autoscaler.fought(subject, autoscalers):
        warn(line)
    world = observe(found, subject) if found is not None else World({}, Observed())
    if found is not None and subject.workload.renamed_from:
        renamed.refuse_halves(found, subject, world, run)
    confirmed = run.action is Action.PROMOTE and offered is not None and world.observed.in_flight is None
    if confirmed:  # nothing waits here: what waits is in the environment before this one
        run = replace(run, action=Action.DEPLOY)
    kinds = kinds or Kinds(client)
    if run.action is not Action.DEPLOY and not _deployed(kinds, subject, world, exists=found is not None):
        raise NothingToDo(
            f"workload {subject.name}: SLIPWAY_ACTION={run.action}: it has not been deployed yet: run without "
            "SLIPWAY_ACTION to deploy it"
        )
    rules = rules_of(subject.workload)
    # Going back takes the values that the release ran with: what the job's variables say now is of no concern.
    deploys = run.action is Action.DEPLOY
    secret = wanted_secret(subject, world, environment, preview=preview, warn=warn) if deploys else None
    wanted = wanted_image(
        subject, world, run, environment, preview=preview, warn=warn, tell=tell, promoted=offered, confirmed=confirmed
    )
    template, copies = pod_template(subject, wanted, secret.name if secret else None, world.observed)
    desired = Release.of(template)
    if deploys and subject.source and not world.observed.known(desired.id):
        _refuse_unreached(subject.source.unreached)
    known: dict[tuple[str, str], Manifest | None] = {
        (it["kind"], it["metadata"]["name"]): content_of(it) for it in copies.values()
    }
    if secret:
        known["Secret", secret.name] = {"data": secret.data, "type": "Opaque"} if secret.data is not None else None
    decided = plan(subject.name, world.observed, desired, run.action, rules, run.release)
    if found is not None and subject.workload.renamed_from:
        renamed.refuse_to_wait(found, subject, decided)
    for record in world.passed_over:
        warn(
            f"{subject.name}: record {record.sequence} of its ledger is passed over: no Deployment of it knows release "
            f"{record.release.id}; to run that image: {variable(subject.name)}={record.release.image}"
        )
    deployments = {track.track: _deployment(subject, track, decided, world) for track in decided.tracks}
    others = extra_objects(
        kinds,
        subject,
        image_beside(decided, world.observed),
        exists=found is not None,
        jobs=decided.release.image if jobs.goes_forward(decided, world.observed) else None,
    )
    service, *beside = _services(subject, world, decided, others, decided.pool)
    pods = running(decided, world)
    preview_ = None
    if decided.preview:
        shown, *_ = _services(subject, world, decided, (), decided.preview)
        preview_ = manifests.preview_service(subject, decided.preview, shown["spec"]["ports"])
    return Prepared(
        subject=subject,
        world=world,
        rules=rules,
        plan=_settled(decided, deployments, world, explains),
        deployments=deployments,
        service=service,
        preview=preview_,
        network_policy=manifests.network_policy(subject, pod_ports(subject, pods)),
        configs=_configs(client, subject, world, decided.release, known, found, preview=preview),
        provenance=dict(run.provenance),
        extra_objects=pointed(others, [*beside, *policies(subject, pods)]),
    )


def _deployment(subject: Subject, track: TrackPlan, decided: Plan, world: World) -> Manifest:
    made = manifests.deployment(subject, track.track, track.template, track.replicas)
    live = {suffix: it for (kind, suffix), it in world.objects.items() if kind == "Deployment"}
    if adopted(subject, track.track, live.get(track.track.suffix)):
        made["spec"]["selector"] = {"matchLabels": subject.selector}
    known = bound.declared(track, decided, live, world.observed.ledger)
    annotations = {**made["metadata"]["annotations"], **known}
    return {**made, "metadata": {**made["metadata"], "annotations": annotations}}


def _services(
    subject: Subject, world: World, decided: Plan, others: Sequence[ExtraObject], pool: Pool
) -> list[Manifest]:
    """The Services as this run points them to a pool. Where nothing moves, nothing is refused for it either."""
    there = {it.wanted.name: it.live for it in others if it.wanted.kind == "Service"}
    there[subject.called("Service")] = world.live("Service")
    templates = behind(decided, world, pool)
    return [*services(subject, pool, templates, there, strict=decided.way is not Way.HOLD)]


def _refuse_unreached(lines: Sequence[str]) -> None:
    if lines:
        raise UserError("\n".join(lines))


def _deployed(kinds: Kinds, subject: Subject, world: World, *, exists: bool) -> bool:
    """Whether anything of it is there that a run must not take away; what may not be read might be."""
    if world.observed.tracks or world.live("ConfigMap", ledger.SUFFIX):
        return True
    return any(one.live is not None or not one.readable for one in extra_objects(kinds, subject, "", exists=exists))


def _settled(
    decided: Plan, deployments: Mapping[TrackName, Manifest], world: World, explains: Explains = unexplained
) -> Plan:
    """The plan; where nothing is released but the live track is scaled or mended, with a wait for that."""
    live = next((track for track in decided.tracks if track.track is decided.live), None)
    gate = decided.gates.get(LEDGER, Gate(()))
    if live is None or live.release is None or (gate.steps and decided.way is not Way.HOLD):
        return decided
    wanted, there = deployments[live.track], world.live("Deployment", live.track.suffix)
    if not drift(wanted["spec"], (there or {}).get("spec")) or explains("Deployment", wanted, there):
        return decided
    waiting = replace(gate, steps=(Ready(live.track, live.release), *gate.steps))
    return replace(decided, gates={**decided.gates, LEDGER: waiting})


def _checks_can_run(subject: Subject, environment: Mapping[str, str]) -> None:
    lacking = checks.missing(
        subject.workload.release_checks, prometheus=subject.environment.prometheus, environment=environment
    )
    if lacking := (*lacking, *unknown_ports(subject)):
        raise UserError("\n".join(f"slipway:workloads.{subject.name}.checks: {lack}" for lack in lacking))


def _configs(  # noqa: PLR0917
    client: Client,
    subject: Subject,
    world: World,
    target: Release,
    known: Mapping[tuple[str, str], Manifest | None],
    found: Snapshot | None,
    *,
    preview: bool,
) -> Mapping[tuple[str, str], VersionedConfig]:
    """What must be there after this run: of the release, of every track, of those on the ledger."""
    needed = set(target.configs)
    for track in world.observed.tracks.values():
        needed |= Release.of(track.template).configs
    for record in ledger.kept(world.observed.ledger, subject.workload.keep_releases):
        needed |= record.release.configs
    configs: dict[tuple[str, str], VersionedConfig] = {}
    for kind, name in sorted(needed):
        live, readable = None, True
        if found is not None and kind == "Secret":
            live, readable = release_secret(client, subject.namespace, name)
        elif found is not None:
            live = found[kind].get(name)
        content = known.get((kind, name)) or (content_of(live) if live else None)
        if content is not None or not readable or preview:
            configs[kind, name] = VersionedConfig(content, live, readable)
        elif (kind, name) in target.configs:
            raise UserError(
                f"workload {subject.name}: release {target.id} needs the {kind} {subject.namespace}/{name}, which is "
                f"gone from the cluster: deploy an image with {variable(subject.name)} instead"
            )
    return configs
