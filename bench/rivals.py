"""What others do for the same manifests: kubectl, Helm, and a Pulumi program that only declares."""

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demo.installed import PROGRAM_VENV
from pulumi_slipway.core.model import Pool, Release, TrackName
from pulumi_slipway.release import manifests
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.pod_template import pod_template
from pulumi_slipway.settings import Environment, Workload

PLACEHOLDER = "IMAGE_PLACEHOLDER"
PULL_SECRET = "gitlab-registry"  # noqa: S105  its name


def objects(namespace: str, workload: Workload) -> list[dict[str, Any]]:
    """The Deployment, Service and budget that Slipway itself would declare, with the article's image placeholder."""
    subject = Subject(
        "myapp", Environment(name=namespace, namespace=namespace, image_pull_secret=PULL_SECRET), workload
    )
    template = Release.of(pod_template(subject, PLACEHOLDER, None)[0]).pod_template(TrackName.STABLE)
    kinds = (
        ("apps/v1", "Deployment", manifests.deployment(subject, TrackName.STABLE, template, workload.replicas)),
        ("v1", "Service", manifests.service(subject, Pool.MAIN)),
        ("policy/v1", "PodDisruptionBudget", manifests.disruption_budget(subject)),
    )
    return [{"apiVersion": version, "kind": kind, **body} for version, kind, body in kinds if body]


def manifest_file(directory: Path, namespace: str, workload: Workload) -> Path:
    """The objects as one file for `kubectl apply`."""
    path = directory / "manifests.yaml"
    path.write_text("\n---\n".join(json.dumps(one) for one in objects(namespace, workload)))
    return path


def chart(directory: Path, namespace: str, workload: Workload) -> Path:
    """The objects as a Helm chart with one value, `image`."""
    path = directory / "chart"
    (path / "templates").mkdir(parents=True, exist_ok=True)
    (path / "Chart.yaml").write_text("apiVersion: v2\nname: myapp\nversion: 0.1.0\n")
    for one in objects(namespace, workload):
        text = json.dumps(one).replace(PLACEHOLDER, "{{ .Values.image }}")
        (path / "templates" / f"{one['kind'].lower()}.yaml").write_text(text)
    return path


def config_maps(namespace: str, *names: str) -> list[dict[str, Any]]:
    """Empty ones, in place of resources that a Slipway stack has beside the workload's objects."""
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}} for name in names
    ]


def bare_program(directory: Path, declared: Sequence[dict[str, Any]]) -> Path:
    """A Pulumi program of these objects and nothing else: no observing, no plan, no gate.

    What engine, SDK and provider cost by themselves.
    """
    path = directory / "bare"
    path.mkdir()
    (path / "Pulumi.yaml").write_text("name: bare\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    (path / ".venv").symlink_to(PROGRAM_VENV)
    (path / "objects.json").write_text(json.dumps(declared))
    (path / "__main__.py").write_text(
        textwrap.dedent(
            """
            import json
            import pulumi
            provider = pulumi.ProviderResource("kubernetes", "kubernetes", {})
            opts = pulumi.ResourceOptions(provider=provider)
            for one in json.load(open("objects.json")):
                group = one["apiVersion"] if "/" in one["apiVersion"] else "core/" + one["apiVersion"]
                name = one["kind"] + one["metadata"]["name"]
                pulumi.CustomResource(f"kubernetes:{group}:{one['kind']}", name, one, opts)
            """
        )
    )
    return path
