"""What the narrow tokens must not be able to do: one request each, and every one has to be refused with 403."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

CORE, RBAC = "/api/v1", "/apis/rbac.authorization.k8s.io/v1"
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}


@dataclass(frozen=True)
class Try:
    """One request."""

    what: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def pod(**spec: Any) -> dict[str, Any]:
    """A pod that the restricted standard admits, but for what is given."""
    security = {
        "allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    container = {"name": "a", "image": "a", "securityContext": {**security, **spec.pop("security", {})}}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried"}, "spec": {"containers": [container], **spec}
    }  # fmt: skip


def _object(kind: str, version: str = "v1", **rest: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "tried"}, **rest}


def _binding(kind: str, role: str, namespace: str) -> dict[str, Any]:
    return _object(
        kind, "rbac.authorization.k8s.io/v1",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        subjects=[{"kind": "ServiceAccount", "name": "gitlab-deploy", "namespace": namespace}],
    )  # fmt: skip


ALL_RULES = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]


def for_deploy(own: str, other: str) -> list[Try]:
    """For the deploy token of `own`; `other` is another environment's namespace."""
    mine, theirs = f"{CORE}/namespaces/{own}", f"{CORE}/namespaces/{other}"
    roles = f"{RBAC}/namespaces/{own}"
    admission, batch = "/apis/admissionregistration.k8s.io/v1", "/apis/batch/v1"
    return [
        Try("read another namespace's secrets", "GET", f"{theirs}/secrets"),
        Try("read a secret of another namespace by name", "GET", f"{theirs}/secrets/gitlab-registry"),
        Try("read the secrets of kube-system", "GET", f"{CORE}/namespaces/kube-system/secrets"),
        Try("read the secrets of the whole cluster", "GET", f"{CORE}/secrets"),
        Try("list another namespace's pods", "GET", f"{theirs}/pods"),
        Try("list the pods of the whole cluster", "GET", f"{CORE}/pods"),
        Try("create a pod in another namespace", "POST", f"{theirs}/pods", pod()),
        Try("create a config map in kube-system", "POST", f"{CORE}/namespaces/kube-system/configmaps",
            _object("ConfigMap")),
        Try("create a deployment in another namespace", "POST", f"/apis/apps/v1/namespaces/{other}/deployments",
            _object("Deployment", "apps/v1")),
        Try("create a role", "POST", f"{roles}/roles",
            _object("Role", "rbac.authorization.k8s.io/v1", rules=ALL_RULES)),
        Try("widen its own role", "PATCH", f"{roles}/roles/gitlab-deploy-role", {"rules": ALL_RULES}, STRATEGIC),
        Try("read its own role", "GET", f"{roles}/roles/gitlab-deploy-role"),
        Try("bind itself to admin in its namespace", "POST", f"{roles}/rolebindings",
            _binding("RoleBinding", "admin", own)),
        Try("remove its own binding", "DELETE", f"{roles}/rolebindings/gitlab-deploy-binding"),
        Try("create a cluster role", "POST", f"{RBAC}/clusterroles",
            _object("ClusterRole", "rbac.authorization.k8s.io/v1", rules=ALL_RULES)),
        Try("bind itself to cluster-admin", "POST", f"{RBAC}/clusterrolebindings",
            _binding("ClusterRoleBinding", "cluster-admin", own)),
        Try("escalate a cluster role", "PATCH", f"{RBAC}/clusterroles/view", {"rules": ALL_RULES}, STRATEGIC),
        Try("mint a token of its own account", "POST", f"{mine}/serviceaccounts/gitlab-deploy/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}),
        Try("mint a token of a controller", "POST",
            f"{CORE}/namespaces/kube-system/serviceaccounts/clusterrole-aggregation-controller/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}),
        Try("have the cluster fill a secret with a token without end", "POST", f"{mine}/secrets?dryRun=All",
            {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token", "metadata":
             {"name": "tried", "annotations": {"kubernetes.io/service-account.name": "gitlab-deploy"}}}),
        Try("create a service account", "POST", f"{mine}/serviceaccounts", _object("ServiceAccount")),
        Try("list service accounts", "GET", f"{mine}/serviceaccounts"),
        Try("weaken the namespace's Pod Security", "PATCH", mine,
            {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}, STRATEGIC),
        Try("delete its namespace", "DELETE", mine),
        Try("create a namespace", "POST", f"{CORE}/namespaces", _object("Namespace")),
        Try("list namespaces", "GET", f"{CORE}/namespaces"),
        Try("read another namespace", "GET", theirs),
        Try("raise its quota", "PATCH", f"{mine}/resourcequotas/slipway",
            {"spec": {"hard": {"pods": "999"}}}, STRATEGIC),
        Try("delete its quota", "DELETE", f"{mine}/resourcequotas/slipway"),
        Try("delete its limit range", "DELETE", f"{mine}/limitranges/slipway"),
        Try("impersonate the administrator", "GET", f"{CORE}/secrets", None, {"Impersonate-User": "admin"}),
        Try("impersonate system:masters", "GET", f"{mine}/pods", None,
            {"Impersonate-User": "x", "Impersonate-Group": "system:masters"}),
        Try("exec into a pod", "POST", f"{mine}/pods/any/exec?command=id&stdout=true"),
        Try("attach to a pod", "POST", f"{mine}/pods/any/attach?stdout=true"),
        Try("forward a port", "POST", f"{mine}/pods/any/portforward?ports=80"),
        *(Try(f"{method} through the proxy of {kind}", method, f"{mine}/{kind}/any/proxy/")
          for kind in ("pods", "services") for method in ("POST", "PUT", "PATCH", "DELETE")),
        *(Try(f"reach the {kind} of another namespace", "GET", f"{theirs}/{kind}/any/proxy/")
          for kind in ("pods", "services")),
        Try("add an ephemeral container", "PATCH", f"{mine}/pods/any/ephemeralcontainers",
            {"spec": {"ephemeralContainers": []}}, STRATEGIC),
        Try("evict a pod past its budget", "POST", f"{mine}/pods/any/eviction", _object("Eviction", "policy/v1")),
        Try("bind a pod to a node", "POST", f"{mine}/pods/any/binding", _object("Binding", target={"name": "x"})),
        Try("delete all pods at once", "DELETE", f"{mine}/pods"),
        Try("list nodes", "GET", f"{CORE}/nodes"),
        Try("reach the kubelet", "GET", f"{CORE}/nodes/any/proxy/pods"),
        Try("label a node", "PATCH", f"{CORE}/nodes/any", {"metadata": {"labels": {"a": "b"}}}, STRATEGIC),
        Try("run a privileged pod", "POST", f"{mine}/pods?dryRun=All",
            pod(security={"privileged": True, "allowPrivilegeEscalation": True})),
        Try("run a pod as root", "POST", f"{mine}/pods?dryRun=All", pod(security={"runAsNonRoot": False})),
        Try("mount the host's disk", "POST", f"{mine}/pods?dryRun=All",
            pod(volumes=[{"name": "host", "hostPath": {"path": "/"}}])),
        Try("use the host's network", "POST", f"{mine}/pods?dryRun=All", pod(hostNetwork=True)),
        Try("see the host's processes", "POST", f"{mine}/pods?dryRun=All", pod(hostPID=True)),
        Try("request a client certificate", "POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests",
            _object("CertificateSigningRequest", "certificates.k8s.io/v1")),
        Try("create a validating webhook", "POST", f"{admission}/validatingwebhookconfigurations",
            _object("ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1")),
        Try("create a mutating webhook", "POST", f"{admission}/mutatingwebhookconfigurations",
            _object("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1")),
        Try("delete the policy that guards its tokens", "DELETE",
            f"{admission}/validatingadmissionpolicies/slipway-{own}-no-token-secrets"),
        Try("create a custom resource definition", "POST",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            _object("CustomResourceDefinition", "apiextensions.k8s.io/v1")),
        Try("create a persistent volume", "POST", f"{CORE}/persistentvolumes", _object("PersistentVolume")),
        Try("create a cron job", "POST", f"{batch}/namespaces/{own}/cronjobs", _object("CronJob", "batch/v1")),
        Try("change a job", "PATCH", f"{batch}/namespaces/{own}/jobs/any", {"spec": {"suspend": True}}, STRATEGIC),
        Try("delete all jobs at once", "DELETE", f"{batch}/namespaces/{own}/jobs"),
        Try("create a job in another namespace", "POST", f"{batch}/namespaces/{other}/jobs",
            _object("Job", "batch/v1")),
        Try("create a daemon set", "POST", f"/apis/apps/v1/namespaces/{own}/daemonsets",
            _object("DaemonSet", "apps/v1")),
        Try("forge an event", "POST", f"{mine}/events", _object("Event")),
        Try("take a controller's lease", "GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"),
        Try("review another's token", "POST", "/apis/authentication.k8s.io/v1/tokenreviews",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "x"}}),
    ]  # fmt: skip


def for_preview(own: str, other: str) -> list[Try]:
    """For the read-only token: everything that the deploy token may not, any write, and any look into secrets."""
    mine = f"{CORE}/namespaces/{own}"
    apps, policy = f"/apis/apps/v1/namespaces/{own}", f"/apis/policy/v1/namespaces/{own}"
    batch = f"/apis/batch/v1/namespaces/{own}"
    net, scale = f"/apis/networking.k8s.io/v1/namespaces/{own}", f"/apis/autoscaling/v2/namespaces/{own}"
    kinds: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
        "pod": (f"{mine}/pods", pod),
        "service": (f"{mine}/services", lambda: _object("Service")),
        "config map": (f"{mine}/configmaps", lambda: _object("ConfigMap")),
        "secret": (f"{mine}/secrets", lambda: _object("Secret")),
        "deployment": (f"{apps}/deployments", lambda: _object("Deployment", "apps/v1")),
        "disruption budget": (f"{policy}/poddisruptionbudgets", lambda: _object("PodDisruptionBudget", "policy/v1")),
        "ingress": (f"{net}/ingresses", lambda: _object("Ingress", "networking.k8s.io/v1")),
        "network policy": (f"{net}/networkpolicies", lambda: _object("NetworkPolicy", "networking.k8s.io/v1")),
        "autoscaler": (
            f"{scale}/horizontalpodautoscalers", lambda: _object("HorizontalPodAutoscaler", "autoscaling/v2")
        ),
        "job": (f"{batch}/jobs", lambda: _object("Job", "batch/v1")),
    }  # fmt: skip
    writes = [
        attempt
        for kind, (path, body) in kinds.items()
        for attempt in (
            Try(f"create a {kind}", "POST", path, body()),
            Try(f"replace a {kind}", "PUT", f"{path}/tried", body()),
            Try(f"patch a {kind}", "PATCH", f"{path}/tried", {"metadata": {"labels": {"a": "b"}}}, STRATEGIC),
            Try(f"delete a {kind}", "DELETE", f"{path}/tried"),
        )
    ]
    looks = [
        Try("list secrets", "GET", f"{mine}/secrets"),
        Try("read a secret", "GET", f"{mine}/secrets/tried"),
        Try("watch secrets", "GET", f"{mine}/secrets?watch=true&timeoutSeconds=1"),
        Try("read a pod's log", "GET", f"{mine}/pods/any/log"),
        Try("reach a pod through the proxy", "GET", f"{mine}/pods/any/proxy/"),
        Try("reach a service through the proxy", "GET", f"{mine}/services/any/proxy/"),
        Try("list jobs", "GET", f"{batch}/jobs"),
        Try("scale a deployment", "PATCH", f"{apps}/deployments/any/scale", {"spec": {"replicas": 0}}, STRATEGIC),
    ]
    return [*writes, *looks, *for_deploy(own, other)]
