"""What a workload's pods look like: what a release is the hash of, with the safe defaults written out."""

from collections.abc import Collection, Mapping
from typing import Any

from pulumi_slipway.core.model import Manifest, Observed, Phase, Release
from pulumi_slipway.release.manifests import Subject, ownership
from pulumi_slipway.settings import Probe


def pod_template(
    subject: Subject, image: str, secret: str | None, observed: Observed | None = None
) -> tuple[Manifest, Mapping[str, Manifest]]:
    """The pod template, and the copies of a source's configuration that it refers to.

    `secret` names the Secret that holds `secretEnv`. What an earlier version made of a source is left so while the
    ledger knows it: no pod restarts for a new version.
    """
    if subject.source is None:
        return _own_template(subject, image, secret), {}
    template, copies = subject.source.pod_template(image, secret, former=True)
    former = _adopted_template(subject, template)
    if observed and _lives(Release.of(former), observed) and _found(subject, former):
        return former, copies
    template, copies = subject.source.pod_template(image, secret)
    return _adopted_template(subject, template, subject.source.selecting), copies


def _lives(release: Release, observed: Observed) -> bool:
    """Whether it runs, or was Healthy: then it is left as it is."""
    records = [it for it in observed.ledger if it.release.id == release.id and it.outcome is not Phase.DEGRADED]
    return bool(records) or any(it.release == release.id and it.available for it in observed.tracks.values())


def _found(subject: Subject, template: Manifest) -> bool:
    """Whether the author's Service finds these pods."""
    assert subject.source is not None  # noqa: S101
    selector: Manifest = subject.source.service["spec"]["selector"]
    labels: Manifest = template["metadata"]["labels"]
    return selector.items() <= labels.items()


def _own_template(subject: Subject, image: str, secret: str | None) -> Manifest:
    """What the settings say of the pods."""
    w = subject.workload
    writable = [(f"writable-{i}", path) for i, path in enumerate(w.writable_paths)]
    container: dict[str, Any] = {
        "name": subject.name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",  # the image is a digest: what is present is right
        "resources": {
            "requests": {"cpu": w.resources.requests.cpu, "memory": w.resources.requests.memory},
            "limits": {"cpu": w.resources.limits.cpu, "memory": w.resources.limits.memory},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if not w.worker:
        container["ports"] = [{"name": "http", "containerPort": w.port, "protocol": "TCP"}]
        container["readinessProbe"] = _probe(w.probe)
    if w.liveness:
        container["livenessProbe"] = _probe(w.liveness)
    if w.pre_stop and not w.worker:
        # The endpoint is taken away while the pod still answers: without it 71 of 11,564 requests were lost (facts.md).
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": w.pre_stop}}}
    if w.command:
        container["command"] = list(w.command)
    if w.args:
        container["args"] = list(w.args)
    if w.env:
        container["env"] = [{"name": key, "value": value} for key, value in sorted(w.env.items())]
    if secret:
        container["envFrom"] = [{"secretRef": {"name": secret}}]
    if writable:
        container["volumeMounts"] = [{"name": name, "mountPath": path} for name, path in writable]
    security: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if w.run_as_user is not None:
        security["runAsUser"] = w.run_as_user
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": w.termination_grace,
        "securityContext": security,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": subject.selector},
            }
        ],
        "containers": [container],
    }
    if writable:
        spec["volumes"] = [{"name": name, "emptyDir": {}} for name, _ in writable]
    if subject.environment.image_pull_secret:
        spec["imagePullSecrets"] = [{"name": subject.environment.image_pull_secret}]
    labels = {**subject.selector, **ownership(subject.environment.name)}
    metadata: dict[str, Any] = {"labels": labels}
    if w.pod_annotations:
        metadata["annotations"] = dict(w.pod_annotations)
    return {"metadata": metadata, "spec": spec}


def _adopted_template(subject: Subject, template: Manifest, selecting: Collection[str] = ()) -> Manifest:
    """The author's pod template: known as ours, and with the environment's pull secret where it names none.

    `selecting`: labels by which something finds the pods; those stay the author's.
    """
    metadata, spec = template["metadata"], dict(template["spec"])
    if subject.environment.image_pull_secret and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [{"name": subject.environment.image_pull_secret}]
    authors = metadata.get("labels") or {}
    found_by = {key: value for key, value in authors.items() if key in selecting}
    labels = {**authors, **ownership(subject.environment.name), **found_by}
    return {**template, "metadata": {**metadata, "labels": labels}, "spec": spec}


def _probe(probe: Probe) -> dict[str, Any]:
    port: int | str = probe.port or "http"
    check: dict[str, Any] = (
        {"httpGet": {"path": probe.path, "port": port, "scheme": "HTTP"}}
        if probe.path
        else {"tcpSocket": {"port": port}}
    )
    return {
        **check,
        "periodSeconds": probe.period,
        "timeoutSeconds": probe.timeout,
        "failureThreshold": probe.failure_threshold,
    }
