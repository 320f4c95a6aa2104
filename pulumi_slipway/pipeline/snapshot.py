"""What a merge request's preview compares with: the state of the last deployment, with no secret in it.

A preview needs the state, and the state of production holds the application's secrets: encrypted, but whoever can read
what production's job reads has the passphrase, too. So a deployment leaves a copy of its state in the cluster, every
secret value replaced by a word, in a ConfigMap that the read-only identity may read. The job of a merge request then
needs neither the state backend nor the passphrase.
"""

import json
from collections.abc import Mapping
from typing import Any

from lightkube import ApiError, Client
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference
from lightkube.resources.core_v1 import ConfigMap

from pulumi_slipway.core.keys import LEFT, PROVENANCE, RUNS
from pulumi_slipway.core.packed import pack, unpack
from pulumi_slipway.release import ledger, observe
from pulumi_slipway.release.manifests import ownership

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  sdk/go/common/resource: the mark of a secret in a state
WITHHELD = "withheld"
LIMIT = 900_000
"""Bytes at most; the API server takes 1 MiB for an object."""
MOST = 32 << 20
"""Bytes of a state that are read: what is packed into LIMIT can stand for a thousand times as much."""
_ORIGIN = ("pluginDownloadURL", "pluginChecksums")
"""Of a provider: where the engine would fetch the program from that it runs."""
FIELD_MANAGER = "slipway-pipeline"
KEY = "state.json.gz"


def name(stack: str) -> str:
    """Name of the stack's ConfigMap."""
    return f"{LEFT}{stack}"


def without_secrets(state: dict[str, Any]) -> dict[str, Any]:
    """An exported state with a word in place of every secret, and without the key material."""
    deployment: dict[str, Any] = {
        key: value
        for key, value in state["deployment"].items()
        if key not in ("secrets_providers", "pending_operations")
    }
    return {**state, "deployment": _cleaned(deployment)}


def _cleaned(node: Any) -> Any:  # noqa: ANN401  JSON is what it is
    if isinstance(node, dict):
        if node.get(_SIGNATURE) == _SECRET:
            return {_SIGNATURE: _SECRET, "plaintext": json.dumps(WITHHELD)}
        return {key: _cleaned(value) for key, value in node.items()}
    return [_cleaned(entry) for entry in node] if isinstance(node, list) else node


def revealed(node: Any) -> Any:  # noqa: ANN401  JSON is what it is
    """A part of a state with each secret value in its place, as far as the state was exported with them."""
    if isinstance(node, dict):
        if node.get(_SIGNATURE) == _SECRET and "plaintext" in node:
            return revealed(json.loads(node["plaintext"]))
        return {key: revealed(value) for key, value in node.items()}
    return [revealed(entry) for entry in node] if isinstance(node, list) else node


def deployed_for(commit: str, state: Mapping[str, Any]) -> dict[str, str]:
    """The annotations that say for which commit the images of this state were deployed."""
    for it in (state.get("deployment") or {}).get("resources") or ():
        if commit and it["type"] == "pulumi:pulumi:Stack":
            told = (it.get("outputs") or {}).get("workloads")
            images = [str(one["image"]) for one in told.values() if one.get("image")] if isinstance(told, dict) else []
            return {f"{PROVENANCE}commit": commit, RUNS: ",".join(images)}
    return {}


def publish(  # noqa: PLR0917
    client: Client, namespace: str, environment: str, stack: str, state: dict[str, Any], said: Mapping[str, str]
) -> bool:
    """Writes the state without secrets, with `said` as annotations; False where it is too large for an object."""
    text = json.dumps(without_secrets(state), sort_keys=True)
    packed = pack(text)
    if len(packed) * 3 // 4 > LIMIT or len(text) > MOST:
        return False
    metadata = ObjectMeta(
        name=name(stack),
        namespace=namespace,
        labels=ownership(environment),
        annotations=dict(said),
        ownerReferences=_ledgers(state, namespace),
    )
    made = ConfigMap(metadata=metadata, binaryData={KEY: packed})
    client.apply(made, field_manager=FIELD_MANAGER, force=True)
    return True


def _ledgers(state: Mapping[str, Any], namespace: str) -> list[OwnerReference]:
    """The ledgers that this state holds: what it was left for is gone with the last of them, after a destroy."""
    found = []
    for it in (state.get("deployment") or {}).get("resources") or ():
        metadata = (it.get("outputs") or {}).get("metadata") if it["type"] == "kubernetes:core/v1:ConfigMap" else None
        if not isinstance(metadata, dict) or metadata.get("namespace") != namespace or not metadata.get("uid"):
            continue
        if str(metadata.get("name", "")).endswith(ledger.SUFFIX):
            found.append(OwnerReference("v1", "ConfigMap", str(metadata["name"]), str(metadata["uid"])))
    return found


def annotations(client: Client, namespace: str, stack: str) -> dict[str, str]:
    """What the last deployment has said of itself; empty where it left nothing."""
    found = observe.read(client, ConfigMap, name(stack), namespace)
    known = ((found or {}).get("metadata") or {}).get("annotations") or {}
    return {key: it for key, it in known.items() if key == RUNS or key.startswith(PROVENANCE)}


def read(client: Client, namespace: str, stack: str) -> dict[str, Any] | None:
    """The state that the last deployment left; None where there was none, or where it is damaged.

    Whoever may edit ConfigMaps can write one: no plugin is fetched from where it says, for a branch's job to run.
    """
    try:
        found = client.get(ConfigMap, name(stack), namespace=namespace)
        state: dict[str, Any] = json.loads(unpack((found.binaryData or {})[KEY], MOST))
        resources = state["deployment"]["resources"]
        state["deployment"]["resources"] = [_without_origin(it) if _is_provider(it) else it for it in resources]
    except (ApiError, KeyError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, ApiError) and error.status.code != 404:
            raise
        return None
    return state


def _is_provider(resource: dict[str, Any]) -> bool:
    return str(resource["type"]).startswith("pulumi:providers:")


def _without_origin(node: Any) -> Any:  # noqa: ANN401  JSON is what it is
    if isinstance(node, dict):
        return {key: _without_origin(value) for key, value in node.items() if key not in _ORIGIN}
    return node
