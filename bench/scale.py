"""Many workloads in one environment: seconds and peak memory of a first `pulumi up` and of one with nothing to do.

The workloads have no pods: what is measured is the machinery, and one node of two cores runs no hundred pods.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from lightkube import Client
from lightkube.resources.core_v1 import Namespace
from rich.console import Console
from rich.table import Table

from bench import rivals
from bench.__main__ import UP, make_namespace
from demo.workspace import Workspace
from pulumi_slipway.settings import Workload
from sandbox import images

console = Console()
SETTINGS = Workload(replicas=0)
CHECKPOINTS = 100
"""So many workloads at most are also run with a state that is written after every step: it grows with their square."""


def main(counts: Sequence[int]) -> int:
    """Measures each number of workloads with the three, one after the other."""
    repository = f"{os.environ['SLIPWAY_SANDBOX_REGISTRY']}/bench/app"
    image = images.push(images.build("scale", "blue"), repository)
    rows = []
    for count in counts:
        for arm in (slipway, *([slipway_checkpoints] if count <= CHECKPOINTS else []), bare, kubectl, helm):
            namespace = f"scale-{arm.__name__.replace('_', '-')}-{count}"
            make_namespace(namespace)
            try:
                with tempfile.TemporaryDirectory(prefix="slipway-scale-") as work:
                    commands = arm(Path(work), namespace, count, image)
                    for what, command in (("first", commands), ("nothing to do", commands)):
                        rows.append({"workloads": count, "arm": arm.__name__, "what": what, **measured(command)})
                        console.print(f"[dim]{rows[-1]}")
            finally:
                Client().delete(Namespace, namespace)
    console.print(table(rows))
    Path("out").mkdir(exist_ok=True)
    Path("out/scale.json").write_text(json.dumps(rows, indent=1))
    return 0


def measured(command: Sequence[str]) -> dict[str, float]:
    """Seconds of a command, and the most memory that one of its processes had, in MiB."""
    script = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return {"seconds": round(seconds, 2), "MiB": round(int(done.stdout) / 1024)}


def objects(namespace: str, count: int, image: str) -> list[dict[str, Any]]:
    """What a Slipway stack of so many workloads consists of, without its ledgers."""
    text = json.dumps(rivals.objects(namespace, SETTINGS)).replace(rivals.PLACEHOLDER, image)
    return [it for number in range(count) for it in json.loads(text.replace("myapp", f"app{number}"))]


def slipway_checkpoints(work: Path, namespace: str, count: int, image: str) -> list[str]:
    """A stack whose state the engine writes after every step."""
    space = Workspace(work / namespace)
    config = {
        "slipway:environment": {"name": namespace, "imagePullSecret": rivals.PULL_SECRET},
        "slipway:workloads": {f"app{number}": {"replicas": 0, "image": image} for number in range(count)},
    }
    (space.directory / f"Pulumi.{namespace}.yaml").write_text(yaml.safe_dump({"config": config}))
    space.run(["pulumi", "stack", "select", "--create", namespace])
    return [*UP, "-C", str(space.directory), "--stack", namespace]


def slipway(work: Path, namespace: str, count: int, image: str) -> list[str]:
    """The same as the pipeline's jobs run it: its state is written once (docs/state.md)."""
    return ["env", "PULUMI_SKIP_CHECKPOINTS=true", *slipway_checkpoints(work, namespace, count, image)]


def bare(work: Path, namespace: str, count: int, image: str) -> list[str]:
    """A Pulumi program of the same objects."""
    ledgers = rivals.config_maps(namespace, *(f"app{number}-releases" for number in range(count)))
    path = rivals.bare_program(work, objects(namespace, count, image) + ledgers)
    Workspace(work / namespace).run(["pulumi", "-C", str(path), "stack", "select", "--create", namespace])
    return [*UP, "-C", str(path), "--stack", namespace]


def kubectl(work: Path, namespace: str, count: int, image: str) -> list[str]:
    """Server-side apply of the same objects."""
    file = work / "objects.yaml"
    file.write_text("\n---\n".join(map(json.dumps, objects(namespace, count, image))))
    return ["kubectl", "apply", "--server-side", "--force-conflicts", "-f", str(file)]


def helm(work: Path, namespace: str, count: int, image: str) -> list[str]:
    """A chart of the same objects, without waiting."""
    chart = work / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: many\nversion: 0.1.0\n")
    text = "\n---\n".join(map(json.dumps, objects(namespace, count, image)))
    (chart / "templates" / "objects.yaml").write_text(text)
    return ["helm", "upgrade", "--install", "many", str(chart), "--namespace", namespace]


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """Each, and how it compares with kubectl."""
    made = Table(title="many workloads without pods, one run each")
    for column in ("workloads", "what", "arm", "seconds", "× kubectl", "MiB of the largest process"):
        made.add_column(column)
    base = {(it["workloads"], it["what"]): it["seconds"] for it in rows if it["arm"] == "kubectl"}
    for it in rows:
        ratio = it["seconds"] / base[it["workloads"], it["what"]]
        made.add_row(
            str(it["workloads"]), it["what"], it["arm"], f"{it['seconds']:.2f}", f"{ratio:.2f}", f"{it['MiB']:.0f}"
        )
    return made


if __name__ == "__main__":
    sys.exit(main([int(it) for it in sys.argv[1:]] or [50, 100]))
