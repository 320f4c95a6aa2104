"""What the checks of a step are about: the track, its release, and where they reach it."""

from pulumi_slipway.core.model import Pool, Release
from pulumi_slipway.core.rules import Strategy
from pulumi_slipway.core.steps import Check
from pulumi_slipway.release import manifests
from pulumi_slipway.release.checks.model import Target
from pulumi_slipway.release.manifests import PREVIEW, Subject
from pulumi_slipway.release.service_ports import checked_ports


def unknown_ports(subject: Subject) -> list[str]:
    """What the checks ask at a port that the Service hasn't, a line each."""
    ports = manifests.service(subject, Pool.MAIN)["spec"]["ports"]
    there = [str(it) for port in ports for it in (port.get("name"), port["port"]) if it]
    return [
        f"check {name}: http.port: the Service has no port {check.http.port}; there are: {', '.join(there)}"
        for name, check in subject.workload.release_checks.items()
        if check.http and check.http.port is not None and str(check.http.port) not in there
    ]


def target(subject: Subject, strategy: Strategy, release: Release, step: Check) -> Target:
    """The target of a step's checks, on the ports that its release has."""
    ports = checked_ports(subject, release.pod_template(step.track))
    service_port, port = ports.get("", ("", 0))  # a worker's checks ask no port
    return Target(
        workload=subject.name,
        environment=subject.environment.name,
        namespace=subject.namespace,
        strategy=str(strategy),
        track=str(step.track),
        release=step.release,
        image=release.image,
        service=subject.name + PREVIEW if strategy is Strategy.BLUE_GREEN else None,
        port=port,
        service_port=service_port,
        ports=ports,
        pull_secret=subject.environment.image_pull_secret,
        labels=manifests.deployment(subject, step.track, {}, None)["spec"]["selector"]["matchLabels"],
    )
