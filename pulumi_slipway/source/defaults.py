"""What is added to a source's Deployment: only where its author said nothing, so that a release loses no request."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pulumi_slipway.core.model import Manifest
from pulumi_slipway.source.images import goes_along
from pulumi_slipway.source.ports import asked, at_work, declared, protocol, target
from pulumi_slipway.source.rendered import ARTICLES, marked

PROBES = ("readinessProbe", "livenessProbe", "startupProbe")


@dataclass(frozen=True)
class Completed:
    """A Deployment with all that is added."""

    deployment: Manifest
    former: Manifest
    """As an earlier version completed it: what runs so is left so, until its next release."""
    additions: tuple[str, ...]
    """What was added, a line each."""
    literal: str
    """The image that the author gave the workload's container."""


def completed(deployment: Manifest, services: Sequence[Manifest], container: str, pre_stop: int) -> Completed:
    """`services`: the workload's own, and those beside it; `container`: the one that gets the image."""
    ports = services[0]["spec"]["ports"]
    whole = json.loads(json.dumps(deployment))
    spec = whole["spec"]["template"]["spec"]
    main = _one(spec, container)
    main["image"] = ARTICLES  # whatever a chart makes of its values: it is the release's
    added = [*_probed_when_ready(spec, main, asked(ports)), *_late_to_stop(spec, main, pre_stop)]
    if "strategy" not in whole["spec"]:
        added.append("strategy: maxUnavailable 0, so that capacity never drops")
    literal = str(_one(deployment["spec"]["template"]["spec"], container).get("image", ""))
    for one in (*spec.get("initContainers", ()), *spec["containers"]):
        text = str(one.get("image", ""))
        if one["name"] == container or not goes_along(text, literal):
            continue
        one["image"] = ARTICLES
        if not marked({"image": text}):
            added.append(f"image of {one['name']}: the release's, since it is the same as that of {container}")
    added += _named(spec, [port for one in services for port in one["spec"]["ports"]], container)
    former = _as_before(deployment, ports[0], container, pre_stop) if ports else whole
    return Completed(whole, former, tuple(added), literal)


def _as_before(deployment: Manifest, port: Manifest, container: str, pre_stop: int) -> Manifest:
    """As the first version completed it."""
    whole: Manifest = json.loads(json.dumps(deployment))
    main = _one(whole["spec"]["template"]["spec"], container)
    main["image"] = ARTICLES
    main.setdefault("readinessProbe", {"tcpSocket": {"port": target(port)}, "periodSeconds": 2})
    if pre_stop:
        main.setdefault("lifecycle", {"preStop": {"sleep": {"seconds": pre_stop}}})
    return whole


def _probed_when_ready(spec: dict[str, Any], main: dict[str, Any], port: Manifest | None) -> list[str]:
    """A readiness probe on the container that users reach, which may be a sidecar: a name is looked up in its own."""
    if port is None:
        return []
    to = target(port)
    serving = main
    if isinstance(to, str):
        serving = next((it for it in at_work(spec) if to in {p.get("name") for p in it.get("ports") or ()}), main)
    if "readinessProbe" in serving or protocol(port) != "TCP":
        return []
    serving["readinessProbe"] = {"tcpSocket": {"port": to}, "periodSeconds": 2}
    where = "" if serving is main else f" of {serving['name']}"
    return [f"readinessProbe{where}: a TCP connection to port {to}, so that no request meets a pod that starts"]


def _late_to_stop(spec: dict[str, Any], main: dict[str, Any], pre_stop: int) -> list[str]:
    """A pause before the container is told to stop, within the time that the pod has for it."""
    added = []
    lifecycle = main.get("lifecycle") or {}
    if pre_stop and not lifecycle.get("preStop"):
        main["lifecycle"] = {**lifecycle, "preStop": {"sleep": {"seconds": pre_stop}}}
        added.append(f"preStop: {pre_stop} s, so that no request meets a pod that stops")
    pause = max((_pause(it) for it in at_work(spec)), default=0)
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None and pause and grace <= pause:
        spec["terminationGracePeriodSeconds"] = grace + pause
        added.append(f"terminationGracePeriodSeconds: {grace + pause}, for {grace} are over before preStop's {pause}")
    return added


def _pause(container: Manifest) -> int:
    """The seconds that a container sleeps before it is told to stop."""
    hook = (container.get("lifecycle") or {}).get("preStop") or {}
    return int((hook.get("sleep") or {}).get("seconds") or 0)


def _named(spec: dict[str, Any], ports: Sequence[Manifest], container: str) -> list[str]:
    """Gives each container port that a Service leads to by number a name, by which it is found when the number changes.

    The name is made of the Service's port, which users know it by.
    """
    added: list[str] = []
    for port in ports:
        to, proto = target(port), protocol(port)
        there = [it for it in declared(spec) if it["containerPort"] == to and protocol(it) == proto]
        if isinstance(to, str) or any(it.get("name") for it in there) or (not there and spec.get("hostNetwork")):
            continue
        taken = {it.get("name") for it in declared(spec)}
        plain = f"{proto.lower()}-{port['port']}"
        name = next(it for it in (plain, *(f"{plain}-{n}" for n in range(2, 99))) if it not in taken)
        if there:
            there[0]["name"] = name  # type: ignore[index]
        else:
            main = next(it for it in spec["containers"] if it["name"] == container)
            main["ports"] = [*(main.get("ports") or []), {"containerPort": to, "name": name, "protocol": proto}]
        added.append(f"ports: the name {name} for port {to}, so that the Service finds it though its number changes")
    return added


def unreached(deployment: Manifest, services: Sequence[Manifest]) -> list[str]:
    """Where the Services lead to no port that the pods have, a line each: nobody would be served there.

    A container may listen on ports that it does not declare: a number is taken for wrong only where the pods declare
    some of its protocol, and the Service leads to none of them.
    """
    spec = deployment["spec"]["template"]["spec"]
    there = declared(spec)
    known = ", ".join(f"{it['containerPort']}" + (f" ({it['name']})" if it.get("name") else "") for it in there)
    told: list[str] = []
    for one in services:
        if one["spec"].get("clusterIP") == "None":
            continue
        ports = one["spec"]["ports"]
        lost = [port for port in ports if not _leads(port, there, spec)]
        by_number = [port for port in lost if isinstance(target(port), int)]
        wrong = by_number if there and len(by_number) == len(ports) else []
        for port in (*(it for it in lost if isinstance(target(it), str)), *wrong):
            told.append(
                f"Service {one['metadata']['name']}: port {port['port']} leads to {target(port)}, and no container of "
                f"Deployment {deployment['metadata']['name']} has such a port; there are: {known or 'none'}: correct "
                "its targetPort, or the container's ports"
            )
    return told


def _leads(port: Manifest, there: Sequence[Manifest], spec: Manifest) -> bool:
    to, proto = target(port), protocol(port)
    if any(to in (it.get("name"), it["containerPort"]) and protocol(it) == proto for it in there):
        return True
    asked_there = {_probed(it.get(probe)) for it in spec["containers"] for probe in PROBES}
    return isinstance(to, int) and to in asked_there


def _probed(probe: Mapping[str, Any] | None) -> int | str | None:
    """The port that a probe asks."""
    ports = [it.get("port") for it in (probe or {}).values() if isinstance(it, Mapping)]
    return next((it for it in ports if it is not None), None)


def _one(spec: dict[str, Any], container: str) -> dict[str, Any]:
    found: dict[str, Any] = next(it for it in spec["containers"] if it["name"] == container)
    return found
