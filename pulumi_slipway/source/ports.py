"""Where a Service's port leads in a pod.

A number is the same in every pod; a name is looked up in each, so that by a name pods with different numbers serve
behind one Service.
"""

from collections.abc import Sequence
from typing import Any

from pulumi_slipway.core.model import Manifest


def at_work(spec: Manifest) -> list[Any]:
    """The containers that run as long as the pod does; sidecars come last."""
    return [
        *spec["containers"],
        *(it for it in spec.get("initContainers") or () if it.get("restartPolicy") == "Always"),
    ]


def declared(spec: Manifest) -> list[Manifest]:
    """The ports of a pod's containers, in the order in which Kubernetes looks for a name."""
    return [port for it in at_work(spec) for port in it.get("ports") or ()]


def protocol(port: Manifest) -> str:
    """TCP, UDP or SCTP."""
    return str(port.get("protocol") or "TCP")


def target(port: Manifest) -> int | str:
    """Where a Service's port sends to, by number or name."""
    found: int | str = port.get("targetPort") or port["port"]
    return found


def leads_to(port: Manifest, spec: Manifest, to: int | str | None = None) -> int | None:
    """The number that a Service's port has in this pod; None where none of its containers has that name.

    `to`: in place of the port's own target.
    """
    to = target(port) if to is None else to
    if isinstance(to, int):
        return to
    named = (it for it in declared(spec) if it.get("name") == to and protocol(it) == protocol(port))
    return next((int(it["containerPort"]) for it in named), None)


def name(port: Manifest, spec: Manifest) -> str | None:
    """The name by which a Service's port can find its container port; None where that has none, or isn't declared."""
    to = target(port)
    if isinstance(to, str):
        return to
    found = [it for it in declared(spec) if it["containerPort"] == to and protocol(it) == protocol(port)]
    return next((str(it["name"]) for it in found if it.get("name")), None)


def asked(ports: Sequence[Manifest]) -> Manifest | None:
    """The port that is asked over HTTP where none is named: the one that says so, else the first of TCP."""
    tcp = [port for port in ports if protocol(port) == "TCP"]
    says = [it for it in tcp if "http" in str(it.get("name")) or "http" in str(it.get("appProtocol"))]
    return next(iter(says or tcp or ports), None)


def elsewhere(
    port: Manifest, ports: Sequence[Manifest], own: Manifest, spec: Manifest, *, said: bool = True
) -> int | None:
    """The number that a Service's port has in the pods of another release than the one that it was written for.

    `ports`: all of the Service; `own`: the pods that it was written for; `said`: whether their author declares it.
    By the container port's name where both have it; else the same number where the other release declares it, or
    nothing is declared; else the only one that no other port of the Service leads to. None: it can't be told.
    """
    called, number = name(port, own), leads_to(port, own)
    if called and (found := leads_to(port, spec, called)) is not None:
        return found
    there = [int(it["containerPort"]) for it in declared(spec) if protocol(it) == protocol(port)]
    if not said or not there or number in there:
        return number
    others = {leads_to(it, own) for it in ports if it is not port and protocol(it) == protocol(port)}
    left = [it for it in there if it not in others]
    return left[0] if len(left) == 1 else None
