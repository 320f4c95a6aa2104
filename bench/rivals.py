"""What others do for the same manifests: kubectl, Helm, and a Pulumi program that only declares."""

import json
import textwrap
from pathlib import Path
from typing import Any

from release import manifests
from release.manifests import Subject
from release.model import Pool, Release, TrackName
from settings import Environment, Workload

PLACEHOLDER = "IMAGE_PLACEHOLDER"
PULL_SECRET = "gitlab-registry"  # noqa: S105  its name


def objects(namespace: str, workload: Workload) -> list[dict[str, Any]]:
    """The Deployment, Service and budget that Slipway itself would declare, with the article's image placeholder."""
    subject = Subject(
        "myapp", Environment(name=namespace, namespace=namespace, image_pull_secret=PULL_SECRET), workload
    )
    template = Release.of(manifests.pod_template(subject, PLACEHOLDER, None)).pod_template(TrackName.STABLE)
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


def bare_program(directory: Path, namespace: str, workload: Workload, image: str) -> Path:
    """A Pulumi program with the same resources and nothing else: no observing, no plan, no gate."""
    path = directory / "bare"
    path.mkdir(exist_ok=True)
    (path / "Pulumi.yaml").write_text("name: bare\nruntime: python\n")
    (path / "objects.json").write_text(json.dumps(objects(namespace, workload)).replace(PLACEHOLDER, image))
    (path / "__main__.py").write_text(
        textwrap.dedent(
            """
            import json
            import pulumi, pulumi_kubernetes as k8s
            kinds = {"Deployment": k8s.apps.v1.Deployment, "Service": k8s.core.v1.Service,
                     "PodDisruptionBudget": k8s.policy.v1.PodDisruptionBudget}
            provider = k8s.Provider("kubernetes", upsert_existing_objects=True)
            opts = pulumi.ResourceOptions(provider=provider)
            ConfigMap = k8s.core.v1.ConfigMap
            for one in json.load(open("objects.json")):
                kinds[one["kind"]](one["kind"].lower(), metadata=one["metadata"], spec=one["spec"], opts=opts)
            for name in ("releases", "component"):
                ConfigMap(name, metadata={"name": name, "namespace": one["metadata"]["namespace"]}, opts=opts)
            """
        )
    )
    return path
