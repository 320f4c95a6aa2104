"""What an environment's deploy account may put into its namespace, beyond kinds and verbs: rules over fields, in CEL.

RBAC knows kinds alone: a Service with an external IP takes another environment's traffic, a pod with a high priority
evicts another's, a pod under the deploy account's own name reads its token for ever.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi_slipway.access.names import DEPLOY, PREVIEW, PULL_SECRET
from pulumi_slipway.settings import AccessEnvironment

RESOURCES: Mapping[str, Sequence[str]] = {
    "": ("pods", "services", "replicationcontrollers", "podtemplates", "secrets"),
    "apps": ("deployments", "replicasets", "statefulsets", "daemonsets"),
    "batch": ("jobs", "cronjobs"),
    "networking.k8s.io": ("ingresses",),
    "gateway.networking.k8s.io": ("httproutes", "grpcroutes", "tlsroutes"),
}
"""What is looked at, by API group."""

VARIABLES: Mapping[str, str] = {
    "pod": "object.kind == 'Pod' ? object.?spec.orValue({}) : object.kind == 'CronJob' ? "
    "object.?spec.?jobTemplate.?spec.?template.?spec.orValue({}) : object.kind == 'PodTemplate' ? "
    "object.?template.?spec.orValue({}) : object.?spec.?template.?spec.orValue({})",
    "containers": "variables.pod.?containers.orValue([]) + variables.pod.?initContainers.orValue([])",
    "account": "variables.pod.?serviceAccountName.orValue(variables.pod.?serviceAccount.orValue('default'))",
    "type": "object.kind == 'Service' ? object.?spec.?type.orValue('ClusterIP') : 'ClusterIP'",
    "hosts": "object.kind == 'Ingress' ? object.?spec.?rules.orValue([]).map(rule, rule.?host.orValue('')) : "
    "object.kind.endsWith('Route') ? object.?spec.?hostnames.orValue(['']) : []",
    "catches": "object.kind == 'Ingress' && has(object.spec.defaultBackend)",
}
"""Parts of the object that several rules ask for."""


def validations(environment: str, settings: AccessEnvironment) -> list[dict[str, Any]]:
    """The rules of an environment, each with what it tells whoever is refused."""
    allow, where = settings.allow, f"slipway:access.environments.{environment}"
    types = ["ClusterIP", *allow.service_types]
    rules = [
        (f"variables.type in {_list(types)}", f"Services of other types: {where}.allow.serviceTypes"),
        (
            f"object.kind != 'Secret' || !({_names(object_='object.metadata.name')})",
            "this Secret's name is kept for the access stack",
        ),
        (f"!(variables.account in {_list([DEPLOY, PREVIEW])})", "no pod runs as the pipeline's account"),
        (
            f"variables.pod.?priorityClassName.orValue('') in {_list(['', *allow.priority_classes])}",
            f"this priority class: {where}.allow.priorityClasses",
        ),
    ]
    if not allow.external_ips:
        rules.append(
            (
                "object.kind != 'Service' || size(object.?spec.?externalIPs.orValue([])) == 0",
                f"Services with externalIPs, which may be another's: {where}.allow.externalIPs",
            )
        )
    if not allow.host_ports:
        rules.append(
            (
                "variables.containers.all(it, it.?ports.orValue([]).all(port, port.?hostPort.orValue(0) == 0))",
                f"ports of the node (hostPort): {where}.allow.hostPorts",
            )
        )
    hosts = settings.hosts if settings.hosts is not None else None if settings.protected else ()
    if hosts is not None:
        rules.append(
            (
                f"!variables.catches && variables.hosts.all(host, {_fits(hosts)})",
                f"hosts besides {', '.join(hosts) or 'none'}: {where}.hosts",
            )
        )
    return [{"expression": rule, "message": f"not allowed: {told}", "reason": "Forbidden"} for rule, told in rules]


def _names(object_: str) -> str:
    """Whether a Secret is called as one that the access stack makes: planted, it would stop each of its runs."""
    tokens = " || ".join(f"{object_}.startsWith('{account}-token')" for account in (DEPLOY, PREVIEW))
    return f"{tokens} || {object_} == '{PULL_SECRET}'"


def _fits(hosts: Sequence[str]) -> str:
    """Whether `host` is one of these; `*.example.com` is every name below example.com, and itself."""
    below = [host.removeprefix("*") for host in hosts if host.startswith("*.")]
    wild = " || ".join(f"host.endsWith('{it}')" for it in below)
    return f"host in {_list(hosts)}" + (f" || {wild}" if wild else "")


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(f"'{text}'" for text in texts) + "]"
