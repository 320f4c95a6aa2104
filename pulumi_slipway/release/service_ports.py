"""A workload's Services, with ports that lead to a port which the pods behind them have.

Ports are part of a release: a Service that is written from the source of today may have the pods of an earlier release
behind it, beside others or alone.
"""

from collections.abc import Iterator, Mapping, Sequence

from pulumi_slipway.core.keys import POOL_LABEL
from pulumi_slipway.core.model import HOME, Manifest, Pool
from pulumi_slipway.core.plan import Plan, Way
from pulumi_slipway.release import manifests
from pulumi_slipway.release.manifests import SKIP_AWAIT, Subject
from pulumi_slipway.release.observe import World
from pulumi_slipway.source.definition import Definition
from pulumi_slipway.source.ports import leads_to, name, target
from pulumi_slipway.source.rendered import SourceError


def behind(plan: Plan, world: World, pool: Pool) -> list[Manifest]:
    """The pod templates that a Service has behind it which this run points to a pool, at whatever moment.

    Where the track that serves takes the release in place, that is the release before as well, and the one that a
    failure brings back.
    """
    seen = world.observed
    found: list[Manifest] = [
        it.template for it in plan.tracks if it.track.pool is pool and it.release == plan.release.id
    ]
    if plan.way is Way.ASIDE and found:
        return found
    found += [it.template for track, it in seen.tracks.items() if track.pool is pool and (it.wanted or it.available)]
    if pool is Pool.MAIN and plan.way is not Way.HOLD and seen.committed:
        found.append(seen.committed.release.pod_template(HOME[pool]))
    return found or [plan.release.pod_template(HOME[pool])]


def services(
    subject: Subject,
    pool: Pool,
    templates: Sequence[Manifest],
    live: Mapping[str, Manifest | None] | None = None,
    *,
    strict: bool = True,
) -> Iterator[Manifest]:
    """The workload's Service, then those beside it, pointed to a pool whose pods have these templates.

    `live`: what is there, by name. `strict`: raises SourceError where no port fits all templates; else a Service keeps
    the ports that it has.
    """
    if subject.source is None:
        yield manifests.service(subject, pool)
        return
    authors = (subject.source.service, *(one.manifest for one in subject.source.beside))
    for one in authors:
        there = (live or {}).get(one["metadata"]["name"])
        try:
            ports = ports_of(subject, one, there, templates)
        except SourceError:
            if strict:
                raise
            ports = (there or one)["spec"]["ports"]
        if one is subject.source.service:
            yield manifests.service(subject, pool, ports)
        else:
            selector = {**one["spec"]["selector"], POOL_LABEL: str(pool)}
            spec = {**one["spec"], "selector": selector, "ports": ports}
            yield {**one, "metadata": subject.adopted(one, SKIP_AWAIT), "spec": spec}


def ports_of(
    subject: Subject, service: Manifest, live: Manifest | None, templates: Sequence[Manifest]
) -> list[Manifest]:
    """The ports of a Service of the source, each with a target that all of these pods have; raises SourceError.

    As its author wrote it where that fits, else by the container port's name, else by the number. One that is there
    by its name stays so.
    """
    source, ports = subject.source, service["spec"]["ports"]
    assert source is not None  # noqa: S101  what the settings say has one port, by name
    own, specs = source.deployment["spec"]["template"]["spec"], [it["spec"] for it in templates]
    there = {it["port"]: target(it) for it in (live or {}).get("spec", {}).get("ports") or ()}
    made: list[Manifest] = []
    for port in ports:
        wanted = [source.number(port, ports, it) for it in templates]
        called = name(port, own)
        forms = [target(port), *([called] if called else []), *(it for it in wanted if it is not None)]
        if called and there.get(port["port"]) == called:
            forms.insert(0, called)
        fits = [it for it in forms if None not in wanted and [leads_to(port, spec, it) for spec in specs] == wanted]
        if not fits:
            raise SourceError(_no_way(subject, service, port, wanted))
        made.append(port if fits[0] == target(port) else {**port, "targetPort": fits[0]})
    return made


def numbers(subject: Subject, service: Manifest, template: Manifest) -> list[tuple[Manifest, int | None]]:
    """Each port of a Service with the number that it has in the pods of a release."""
    ports, source = service["spec"]["ports"], subject.source
    return [(it, source.number(it, ports, template) if source else leads_to(it, template["spec"])) for it in ports]


def checked_ports(subject: Subject, template: Manifest) -> dict[str, tuple[str, int]]:
    """What an `http` check may ask: by name and number of the Service's port, how it and its pods' port are called.

    By "" the one that is asked where the check names none.
    """
    service = manifests.service(subject, Pool.MAIN)
    found: dict[str, tuple[str, int]] = {}
    default = subject.source.asked if subject.source else next(iter(service["spec"]["ports"]), None)
    for port, number in numbers(subject, service, template):
        called = str(port.get("name") or port["port"])
        asked = called, subject.workload.port if number is None else number
        found |= {called: asked, str(port["port"]): asked}
        if default and port["port"] == default["port"]:
            found[""] = asked
    return found


def running(plan: Plan, world: World) -> list[Manifest]:
    """The pod templates of this run, those of the release before among them."""
    return [it.template for it in plan.tracks] + [it.template for it in world.observed.tracks.values()]


def pod_ports(subject: Subject, templates: Sequence[Manifest]) -> list[int]:
    """The numbers on which these pods listen."""
    service = manifests.service(subject, Pool.MAIN)
    found = {number for it in templates for _, number in numbers(subject, service, it)}
    return sorted(it for it in found if it is not None)


def policies(subject: Subject, templates: Sequence[Manifest]) -> Iterator[Manifest]:
    """The source's network policies of the workload's pods, which let in what each of these pods listens on.

    A number that a release changes is still asked of the pods of the one before.
    """
    source = subject.source
    for one in source.others if source else ():
        spec = one.manifest.get("spec") or {}
        selector = (spec.get("podSelector") or {}).get("matchLabels") or {}
        if one.kind != "NetworkPolicy" or source is None or not selector.items() <= source.labels.items():
            continue
        rules = []
        for rule in spec.get("ingress") or ():
            ports = [it for port in rule.get("ports") or () for it in _for_all(source, port, templates)]
            rules.append({**rule, "ports": ports} if ports else rule)
        yield {**one.manifest, "spec": {**spec, "ingress": rules}} if rules else one.manifest


def _for_all(source: Definition, port: Manifest, templates: Sequence[Manifest]) -> list[Manifest]:
    if not isinstance(port.get("port"), int) or "endPort" in port:
        return [port]
    found = [source.number(port, [port], it) for it in templates]
    others = {it for it in found if it is not None and it != port["port"]}
    return [port, *({**port, "port": number} for number in sorted(others))]


def _no_way(subject: Subject, service: Manifest, port: Manifest, wanted: Sequence[int | None]) -> str:
    there = " and ".join(map(str, sorted({it for it in wanted if it is not None}))) or "none of its pods' ports"
    return (
        f"slipway:workloads.{subject.name}.source: Service {service['metadata']['name']}: port {port['port']} would "
        f"have to lead to {there} at once, while pods of one release take the place of another's, and have no name "
        "in common for it: release once with the old number under the container port's new name "
        "(ports: [{name: …, containerPort: …}]), then change the number; or use `strategy: blueGreen`, where the "
        "Service moves with its pods"
    )
