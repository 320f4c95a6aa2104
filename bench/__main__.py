"""Releases, rollbacks and runs with nothing to do, against kubectl, Helm and a bare program; the arms take turns."""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from lightkube import ApiError, Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, Secret, Service
from rich.console import Console
from rich.table import Table

from bench import rivals
from demo.workspace import Workspace
from pulumi_slipway.settings import Workload
from sandbox import images
from sandbox.load import Load

console = Console()
WORKLOAD = Workload(replicas=3)
DRAINED = 6.0
"""Seconds until the old pods of a release are gone: their preStop is 5 s."""
NAMESPACES = ("bench-rolling", "bench-blue-green", "bench-kubectl", "bench-helm", "bench-bare")
CHECKED = {
    "replicas": 3,
    "checks": {"answers": {"http": {"path": "/healthz"}}},
    "strategy": {"blueGreen": {}},
}
"""The same app, blue-green with an http check of one sample."""
UP = ["pulumi", "up", "--yes", "--skip-preview", "--color", "never"]

Arms = Mapping[str, Callable[[str], None]]


def main() -> int:
    """Runs the bench and prints its table; the numbers go to out/bench.json too."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    repository = f"{os.environ['SLIPWAY_SANDBOX_REGISTRY']}/bench/app"
    refs = [images.push(images.build(f"b{i}", "blue"), repository) for i in range(rounds + 1)]
    for namespace in NAMESPACES:
        make_namespace(namespace)
    try:
        times, gaps = measured(refs, rounds)
    finally:
        for namespace in NAMESPACES:
            Client().delete(Namespace, namespace)
    console.print(table(times))
    console.print(
        "From the first answer of the new version to the last of the old one, blue-green at 200 connections/s: "
        f"median {statistics.median(gaps) * 1000:.0f} ms, most {max(gaps) * 1000:.0f} ms"
    )
    out = Path("out")
    out.mkdir(exist_ok=True)
    (out / "bench.json").write_text(json.dumps({**times, "both versions answer, seconds": gaps}, indent=1))
    return 0


def measured(refs: list[str], rounds: int) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds of each arm, and for how long both versions answered in a switch."""
    work = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
    rolling = stack(work / "bench-rolling", "bench-rolling", {"replicas": 3})
    blue_green = stack(work / "bench-blue-green", "bench-blue-green", CHECKED)
    kubectl_file = rivals.manifest_file(work, "bench-kubectl", WORKLOAD)
    chart = rivals.chart(work, "bench-helm", WORKLOAD)
    declared = json.loads(json.dumps(rivals.objects("bench-bare", WORKLOAD)).replace(rivals.PLACEHOLDER, refs[0]))
    bare = rivals.bare_program(work, declared + rivals.config_maps("bench-bare", "releases", "component"))
    kubectl = ["kubectl", "-n", "bench-kubectl"]

    def up(space: Workspace, **variables: str) -> None:
        space.run([*UP, "--stack", space.directory.name], env={**os.environ, **variables})

    def set_image(image: str) -> None:
        rolling.run([*kubectl, "set", "image", "deployment/myapp", f"myapp={image}"])
        rolling.run([*kubectl, "rollout", "status", "deployment/myapp"])

    def undo(_: str) -> None:
        rolling.run([*kubectl, "rollout", "undo", "deployment/myapp"])
        rolling.run([*kubectl, "rollout", "status", "deployment/myapp"])

    def helm(image: str) -> None:
        flags = ["--namespace", "bench-helm", "--set", f"image={image}", "--wait"]
        rolling.run(["helm", "upgrade", "--install", "myapp", str(chart), *flags])

    def noop_bare(_: str) -> None:
        rolling.run([*UP, "-C", str(bare), "--stack", "bare"])

    kubectl_file.write_text(kubectl_file.read_text().replace(rivals.PLACEHOLDER, refs[0]))
    rolling.run(["kubectl", "apply", "--server-side", "-f", str(kubectl_file)])
    rolling.run(["pulumi", "-C", str(bare), "stack", "select", "--create", "bare"])
    noop_bare("")
    releases: Arms = {
        "blue-green": lambda image: up(blue_green, SLIPWAY_IMAGE=image),
        "rolling": lambda image: up(rolling, SLIPWAY_IMAGE=image),
        "kubectl": set_image,
        "helm": helm,
    }
    for act in releases.values():  # the first deployment is not measured
        act(refs[0])
    times = named("release", measure(releases, refs[1:], DRAINED))
    rollbacks: Arms = {"blue-green": lambda _: up(blue_green, SLIPWAY_ACTION="rollback"), "kubectl": undo}
    times |= named("rollback", measure(rollbacks, refs[1:], DRAINED))
    noop: Arms = {"rolling": lambda _: up(rolling), "blue-green": lambda _: up(blue_green), "bare program": noop_bare}
    times |= named("no-op", measure(noop, [""] * rounds))
    return times, switches(lambda: up(blue_green, SLIPWAY_ACTION="rollback"), "bench-blue-green", rounds)


def stack(directory: Path, namespace: str, workload: Mapping[str, Any]) -> Workspace:
    """A project with one stack of one workload; it is called as the directory, since all share one backend."""
    space = Workspace(directory)
    config = {
        "config": {
            "slipway:environment": {"name": namespace, "imagePullSecret": rivals.PULL_SECRET},
            "slipway:workloads": {"myapp": dict(workload)},
        }
    }
    (space.directory / f"Pulumi.{directory.name}.yaml").write_text(yaml.safe_dump(config))
    space.run(["pulumi", "stack", "select", "--create", directory.name])
    return space


def named(what: str, times: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """The times under the name of what was done."""
    return {f"{what}: {arm}": seconds for arm, seconds in times.items()}


def measure(arms: Arms, refs: list[str], pause: float = 0) -> dict[str, list[float]]:
    """Seconds of each arm for each image; the arms take turns, and who begins changes each round."""
    times: dict[str, list[float]] = {name: [] for name in arms}
    for number, ref in enumerate(refs):
        order = list(arms)[number % len(arms) :] + list(arms)[: number % len(arms)]
        for name in order:
            began = time.monotonic()
            arms[name](ref)
            times[name].append(round(time.monotonic() - began, 3))
            console.print(f"[dim]round {number + 1}: {name} {times[name][-1]:.2f} s")
            time.sleep(pause)
    return times


def switches(switch: Callable[[], None], namespace: str, rounds: int) -> list[float]:
    """For how long old and new version both answered in each switch, by the answers of a load."""
    found = Client().get(Service, "myapp", namespace=namespace)
    url = f"http://{found.spec.clusterIP if found.spec else ''}:80/"
    gaps = []
    for _ in range(rounds):
        with Load(url, rate=200) as load:
            time.sleep(1)
            switch()
            time.sleep(1)
        old, new = sorted(load.result.versions, key=lambda version: load.result.versions[version].first)
        gaps.append(round(load.result.switch_seconds(old, new), 4))
        time.sleep(DRAINED)
    return gaps


def table(times: Mapping[str, list[float]]) -> Table:
    """Minimum, median and maximum of each, and how Slipway's blue-green compares."""
    made = Table(title=f"seconds, {len(next(iter(times.values())))} rounds each, alternating")
    for column in ("what", "min", "median", "max", "blue-green is × of it", "rolling is × of it"):
        made.add_column(column, justify="left" if column == "what" else "right")
    for name, seconds in times.items():
        median, what = statistics.median(seconds), name.partition(":")[0]
        compared = [
            f"{statistics.median(times[own]) / median:.2f}" if own in times else ""
            for own in (f"{what}: blue-green", f"{what}: rolling")
        ]
        made.add_row(name, f"{min(seconds):.2f}", f"{median:.2f}", f"{max(seconds):.2f}", *compared)
    return made


def make_namespace(name: str) -> None:
    """The namespace, restricted like the ones that the access stack makes."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    try:
        Client().create(Namespace(metadata=ObjectMeta(name=name, labels=labels)))
    except ApiError as error:
        if error.status.code != 409:
            raise
    login = (Path(os.environ["DOCKER_CONFIG"]) / "config.json").read_text()
    pull = Secret(
        metadata=ObjectMeta(name=rivals.PULL_SECRET, namespace=name),
        type="kubernetes.io/dockerconfigjson",
        stringData={".dockerconfigjson": login},
    )
    Client().apply(pull, field_manager="bench")


if __name__ == "__main__":
    sys.exit(main())
