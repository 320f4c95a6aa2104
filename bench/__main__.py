"""One rolling release of three replicas, and a run with nothing to do, against the others; rounds alternate."""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from lightkube import ApiError, Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, Secret
from rich.console import Console
from rich.table import Table

from bench import rivals
from demo.workspace import Workspace
from sandbox import images
from settings import Workload

console = Console()
WORKLOAD = Workload(replicas=3)
DRAINED = 4.0
"""Seconds until the old pods of a release are gone: their preStop is 3 s."""


def main() -> int:
    """Runs the bench and prints its table; the numbers go to out/bench.json too."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    work = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
    space = Workspace(work / "slipway")
    repository = f"{os.environ['SLIPWAY_SANDBOX_REGISTRY']}/bench/app"
    refs = [images.push(images.build(f"b{i}", "blue"), repository) for i in range(rounds + 1)]
    for namespace in ("bench-slipway", "bench-kubectl", "bench-helm", "bench-bare"):
        make_namespace(namespace)
    stack = {
        "config": {
            "slipway:environment": {"name": "bench-slipway", "imagePullSecret": rivals.PULL_SECRET},
            "slipway:workloads": {"myapp": {"replicas": 3}},
        }
    }
    (space.directory / "Pulumi.bench.yaml").write_text(yaml.safe_dump(stack))
    space.run(["pulumi", "stack", "select", "--create", "bench"])
    kubectl_file = rivals.manifest_file(work, "bench-kubectl", WORKLOAD)
    chart = rivals.chart(work, "bench-helm", WORKLOAD)
    bare = rivals.bare_program(work, "bench-bare", WORKLOAD, refs[0])
    up = ["pulumi", "up", "--yes", "--skip-preview", "--color", "never"]

    def slipway(image: str) -> None:
        space.run([*up, "--stack", "bench"], env={**os.environ, "SLIPWAY_IMAGE": image})

    def kubectl(image: str) -> None:
        space.run(["kubectl", "-n", "bench-kubectl", "set", "image", "deployment/myapp", f"myapp={image}"])
        space.run(["kubectl", "-n", "bench-kubectl", "rollout", "status", "deployment/myapp"])

    def helm(image: str) -> None:
        flags = ["--namespace", "bench-helm", "--set", f"image={image}", "--wait"]
        space.run(["helm", "upgrade", "--install", "myapp", str(chart), *flags])

    def noop_bare(_: str) -> None:
        space.run([*up, "-C", str(bare), "--stack", "bare"])

    kubectl_file.write_text(kubectl_file.read_text().replace(rivals.PLACEHOLDER, refs[0]))
    space.run(["kubectl", "apply", "--server-side", "-f", str(kubectl_file)])
    space.run(["pulumi", "-C", str(bare), "stack", "select", "--create", "bare"])
    noop_bare("")
    releases: dict[str, Callable[[str], None]] = {"slipway": slipway, "kubectl": kubectl, "helm": helm}
    for act in releases.values():  # the first deployment is not measured
        act(refs[0])
    times = {f"release: {name}": alternate for name, alternate in measure(releases, refs[1:], DRAINED).items()}
    noop: dict[str, Callable[[str], None]] = {"slipway": slipway, "bare program": noop_bare}
    times |= {f"no-op: {name}": alternate for name, alternate in measure(noop, [refs[-1]] * rounds).items()}
    console.print(table(times))
    out = Path("out")
    out.mkdir(exist_ok=True)
    (out / "bench.json").write_text(json.dumps(times, indent=1))
    for namespace in ("bench-slipway", "bench-kubectl", "bench-helm", "bench-bare"):
        Client().delete(Namespace, namespace)
    return 0


def measure(arms: dict[str, Callable[[str], None]], refs: list[str], pause: float = 0) -> dict[str, list[float]]:
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


def table(times: dict[str, list[float]]) -> Table:
    """Minimum, median and maximum of each, and the median against Slipway's."""
    made = Table(title=f"seconds, {len(next(iter(times.values())))} rounds each, alternating")
    for column in ("what", "min", "median", "max", "Slipway is × of it"):
        made.add_column(column, justify="left" if column == "what" else "right")
    for name, seconds in times.items():
        own = statistics.median(times[f"{name.partition(':')[0]}: slipway"])
        median = statistics.median(seconds)
        made.add_row(name, f"{min(seconds):.2f}", f"{median:.2f}", f"{max(seconds):.2f}", f"{own / median:.2f}")
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
