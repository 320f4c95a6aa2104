"""The Kubernetes Job of a check: as safe as a workload's own pods, and never one of them."""

import hashlib
from typing import Any

from pulumi_slipway.core.keys import CHECK_LABEL, RELEASE_LABEL
from pulumi_slipway.release.checks.model import Target
from pulumi_slipway.release.checks.wording import filled
from pulumi_slipway.release.manifests import ownership
from pulumi_slipway.settings.checks import Job

TTL_SECONDS = 600
"""After which the cluster itself takes a finished Job away that a killed run left."""

RESOURCES = {
    "requests": {"cpu": "100m", "memory": "128Mi"},
    "limits": {"cpu": "500m", "memory": "512Mi"},
}
"""Those of a workload by default."""


def job_name(target: Target, check: str, attempt: int) -> str:
    """The same for the same measurement of the same release, so that what a killed run left is found; 63 at most."""
    whole = "/".join((target.environment, target.workload, target.track, target.release, check))
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{target.workload[:22]}-{check[:22]}-{digest}-{attempt}"


def manifest(job: Job, target: Target, check: str, attempt: int, timeout: int) -> dict[str, Any]:
    """The Job. Its pod has none of the labels by which Services and Deployments select the workload's."""
    name = job_name(target, check, attempt)
    labels = {
        **ownership(target.environment),
        "app.kubernetes.io/component": "check",
        "app.kubernetes.io/part-of": target.workload,
        CHECK_LABEL: check,
        RELEASE_LABEL: target.release,
    }
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            **({"runAsUser": job.run_as_user} if job.run_as_user else {}),
        },
        "containers": [_container(job, target)],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    if target.pull_secret:
        pod["imagePullSecrets"] = [{"name": target.pull_secret}]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": target.namespace, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": timeout,
            "ttlSecondsAfterFinished": TTL_SECONDS,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _container(job: Job, target: Target) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "check",
        "image": job.image or target.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": value} for name, value in {**job.env, **target.variables()}.items()],
        "resources": RESOURCES,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    for key, words in (("command", job.command), ("args", job.args)):
        if words:
            container[key] = [filled(word, target) for word in words]
    return container
