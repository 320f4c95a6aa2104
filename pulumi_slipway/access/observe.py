"""What must be known, and must hold, before the access stack writes anything."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from lightkube import ApiError, Client
from lightkube.resources.admissionregistration_v1 import ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding
from lightkube.resources.core_v1 import LimitRange, Namespace, ResourceQuota, Secret, ServiceAccount
from lightkube.resources.rbac_authorization_v1 import ClusterRole, ClusterRoleBinding, Role, RoleBinding

from pulumi_slipway.access import generation, variables
from pulumi_slipway.access.generation import Generation
from pulumi_slipway.access.kubeconfig import Cluster
from pulumi_slipway.access.names import (
    CLUSTER_WIDE,
    DEPLOY,
    LIMITS,
    PREVIEW,
    PULL_SECRET,
    guard_name,
    workload_guard_name,
)
from pulumi_slipway.cluster import client as cluster
from pulumi_slipway.cluster.rights import READ, Right, listed, missing, rights
from pulumi_slipway.core.keys import ACCOUNT_LABEL
from pulumi_slipway.gitlab import GitLabError
from pulumi_slipway.preflight import gitlab
from pulumi_slipway.release.manifests import ownership
from pulumi_slipway.settings import Access

_VERBS = (*READ, "create", "patch", "delete")  # the provider lists and watches what it deletes
_NAMESPACED = (
    "serviceaccounts", "secrets", "resourcequotas", "limitranges",
    "roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io",
)  # fmt: skip
_POLICIES = (
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
)
_CLUSTER_WIDE = ("clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io")


@dataclass(frozen=True)
class Facts:
    """What was found."""

    cluster: Cluster
    tokens: Mapping[tuple[str, str], tuple[Generation, ...]]
    """By environment and account: the generations that the cluster holds."""
    project: gitlab.Project | None
    can_guard: bool
    """Whether the cluster has admission policies (Kubernetes 1.30 and later)."""


def observe(access: Access) -> Facts:
    """Reads all of it; raises UserError with everything of one kind that stands in the way."""
    try:
        return _observe(cluster.connect(), access)
    except httpx2.HTTPError as error:
        reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
        raise cluster.PreflightError(f"the cluster stopped answering: {reason}: try again") from None


def _observe(client: Client, access: Access) -> Facts:
    existing = {
        name: cluster.check(client, environment.namespace, ()) for name, environment in access.environments.items()
    }
    _refuse_weak(client, access)
    _refuse_foreign(client, access, existing)
    project = None
    if access.gitlab:
        project = gitlab.check(access.gitlab.project, premium=access.gitlab.protected_environments)
        _refuse_taken(access, project)
    tokens = {
        (name, account): tuple(_generations(client, environment.namespace, name, account)) if existing[name] else ()
        for name, environment in access.environments.items()
        for account in (DEPLOY, PREVIEW)
    }
    return Facts(_reach(client, access), tokens, project, _has_policies(client))


def _refuse_weak(client: Client, access: Access) -> None:
    """An administrator's rights are needed; whoever has all of them is asked for no single one."""
    if not missing(client, None, [Right("*", "*", "*")]):
        return
    wide = ["namespaces", *_POLICIES, *(_CLUSTER_WIDE if access.scope == "cluster" else ())]
    lacks = [listed(missing(client, None, rights(_VERBS, *wide)))]
    wanted = [*rights(_VERBS, *_NAMESPACED), *rights(("create",), "serviceaccounts/token")]
    for environment in access.environments.values():
        if lacking := missing(client, environment.namespace, wanted):
            lacks.append(f"{listed(lacking)} in {environment.namespace}")
    if any(lacks):
        raise cluster.PreflightError(
            f"this identity may not {'; '.join(filter(None, lacks))}: the access stack needs an administrator "
            "of the cluster: set KUBECONFIG to one's"
        )


def _refuse_foreign(client: Client, access: Access, existing: Mapping[str, bool]) -> None:
    """The provider takes over what has a name of ours; so nothing may have it that isn't ours."""
    foreign = []
    for name, environment in access.environments.items():
        if existing[name]:
            kinds: list[tuple[Any, str]] = [(Namespace, environment.namespace)]
            for account in (DEPLOY, PREVIEW):
                kinds += [(ServiceAccount, account), (Role, f"{account}-role"), (RoleBinding, f"{account}-binding")]
            kinds += [(Secret, PULL_SECRET), (ResourceQuota, LIMITS), (LimitRange, LIMITS)]
            foreign += [line for kind, of in kinds if (line := _foreign(client, kind, of, environment.namespace, name))]
    for name, environment in access.environments.items():
        for kind in (ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding):
            for called in (guard_name(environment.namespace), workload_guard_name(environment.namespace)):
                if line := _foreign(client, kind, called, None, name):
                    foreign.append(line)
    if access.scope == "cluster":
        wide: tuple[tuple[Any, str], ...] = (
            (ClusterRole, f"{DEPLOY}-role"),
            (ClusterRoleBinding, f"{DEPLOY}-binding"),
        )
        foreign += [line for kind, of in wide if (line := _foreign(client, kind, of, None, CLUSTER_WIDE))]
    if foreign:
        raise cluster.PreflightError("\n".join(foreign))


def _foreign(client: Client, kind: Any, name: str, namespace: str | None, environment: str) -> str | None:  # noqa: ANN401
    where = {"namespace": namespace} if namespace and kind is not Namespace else {}
    try:
        labels = client.get(kind, name, **where).metadata.labels or {}
    except ApiError as error:
        if error.status.code == 404:
            return None
        raise
    ours = ownership(environment)
    if ours.items() <= labels.items():
        return None
    option = f"-n {namespace} " if where else ""
    return (
        f"{kind.__name__} {name}"
        + (f" in {namespace}" if where else "")
        + " exists and isn't Slipway's: delete it, or "
        f"hand it over (a destroy then deletes it): kubectl {option}label {kind.__name__.lower()} {name} --overwrite "
        + " ".join(f"{key}={value}" for key, value in ours.items())
    )


def _refuse_taken(access: Access, project: gitlab.Project) -> None:
    taken = [
        f"variable {variable.key} (scope {variable.scope}) exists in {project.path} and isn't Slipway's: delete it in "
        "Settings > CI/CD > Variables, or `pulumi import` it"
        for variable in variables.planned(access, has_ca=True)
        if project.variables.get((variable.key, variable.scope), True) is False
    ]
    if taken:
        raise GitLabError("\n".join(taken))


def _generations(client: Client, namespace: str, environment: str, account: str) -> Iterable[Generation]:
    labels: dict[str, Any] = {**ownership(environment), ACCOUNT_LABEL: account}
    for secret in client.list(Secret, namespace=namespace, labels=labels):
        metadata = secret.metadata
        if metadata and metadata.name and not metadata.deletionTimestamp:
            found = generation.read(account, metadata.name, metadata.annotations)
            if found:
                yield found


def _has_policies(client: Client) -> bool:
    try:
        next(iter(client.list(ValidatingAdmissionPolicy)), None)
    except ApiError as error:
        if error.status.code == 404:
            return False
        raise
    return True


def _reach(client: Client, access: Access) -> Cluster:
    """Server and CA as jobs reach them: the settings', else those of the kubeconfig in use."""
    current = client.config.cluster
    pem = access.ca_pem
    if pem is None:
        if current.certificate_auth_data:
            pem = base64.b64decode(current.certificate_auth_data).decode()
        elif current.certificate_auth:
            pem = Path(client.config.abs_file(current.certificate_auth)).read_text()
    return Cluster(access.server or current.server, pem)
