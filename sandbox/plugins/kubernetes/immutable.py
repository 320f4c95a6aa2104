"""Which fields cannot change in place, so that a new value means a new object.

Learnt from the official provider 4.32 (provider/pkg/provider/diff.go). `[*]` stands for any element of a list. Data of
Secrets and ConfigMaps is among them unless the provider says `enable_secret_mutable` / `enable_config_map_mutable`.
"""

from typing import Any

from sandbox.plugins.kubernetes.objects import is_secret

Path = tuple[str, ...]

_VOLUME_SOURCES = (
    "awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume flocker gcePersistentDisk glusterfs "
    "hostPath iscsi local nfs photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume"
)
_POD = (
    "affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks hostAliases hostIPC hostNetwork "
    "hostPID hostname imagePullSecrets nodeName nodeSelector overhead preemptionPolicy priority priorityClassName "
    "readinessGates restartPolicy runtimeClassName schedulerName securityContext serviceAccount serviceAccountName "
    "shareProcessNamespace subdomain terminationGracePeriodSeconds volumes"
)
_CONTAINER = (
    "args command env image imagePullPolicy lifecycle livenessProbe ports readinessProbe resources securityContext "
    "stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts workingDir"
)


def _below(prefix: str, names: str) -> list[str]:
    return [f"{prefix}.{name}" for name in names.split()]


_FIELDS: dict[tuple[str, str], list[str]] = {
    ("apps", "DaemonSet"): ["spec.selector"],
    ("apps", "Deployment"): ["spec.selector"],
    ("apps", "StatefulSet"): _below(
        "spec", "podManagementPolicy revisionHistoryLimit selector serviceName volumeClaimTemplates"
    ),
    ("batch", "Job"): _below("spec", "completions parallelism selector template"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ["roleRef"],
    ("rbac.authorization.k8s.io", "RoleBinding"): ["roleRef"],
    ("storage.k8s.io", "StorageClass"): ["parameters", "provisioner"],
    ("", "PersistentVolume"): _below("spec", _VOLUME_SOURCES),
    ("", "PersistentVolumeClaim"): _below("spec", "accessModes selector storageClassName volumeName"),
    ("", "Pod"): [
        *_below("spec", _POD),
        *_below("spec.containers.[*]", _CONTAINER),
        *_below("spec.initContainers.[*]", _CONTAINER),
    ],
    ("", "ResourceQuota"): ["spec.scopes"],
    ("", "Service"): ["spec.clusterIP"],
}


def immutable_fields(item: dict[str, Any], *, secrets_mutable: bool, config_maps_mutable: bool) -> list[Path]:
    """The paths of this object's fields whose change means a replacement."""
    group = str(item.get("apiVersion", "")).rpartition("/")[0].removeprefix("core")
    kind = str(item.get("kind", ""))
    frozen = item.get("immutable") is True
    fields = ["metadata.name", "metadata.namespace"]
    if is_secret(item):
        fields += ["type"] if secrets_mutable and not frozen else ["type", "stringData", "data"]
    elif (group, kind) == ("", "ConfigMap"):
        fields += [] if config_maps_mutable and not frozen else ["binaryData", "data"]
    else:
        fields += _FIELDS.get((group, kind), [])
    return [tuple(field.split(".")) for field in fields]
