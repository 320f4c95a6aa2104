"""What a merge request's preview compares with: the state of the last deployment, with no secret in it.

A preview needs the state, and the state of production holds the application's secrets: encrypted, but whoever can read
what production's job reads has the passphrase, too. So a deployment leaves a copy of its state in the cluster, every
secret value replaced by a word, in a ConfigMap that the read-only identity may read. The job of a merge request then
needs neither the state backend nor the passphrase.
"""

import base64
import gzip
import json
from typing import Any

from lightkube import ApiError, Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap

from pulumi_slipway.core.keys import PROVENANCE
from pulumi_slipway.release.manifests import ownership

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  sdk/go/common/resource: the mark of a secret in a state
WITHHELD = "withheld"
LIMIT = 900_000
"""Bytes at most; the API server takes 1 MiB for an object."""
FIELD_MANAGER = "slipway-pipeline"
KEY = "state.json.gz"
COMMIT = f"{PROVENANCE}commit"


def name(stack: str) -> str:
    """Name of the stack's ConfigMap."""
    return f"slipway-preview-{stack}"


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


def publish(  # noqa: PLR0917
    client: Client, namespace: str, environment: str, stack: str, state: dict[str, Any], commit: str
) -> bool:
    """Writes the state without secrets; False where it is too large for an object of the cluster.

    `commit`: that the stack's images were deployed for; empty where the run deployed none.
    """
    packed = gzip.compress(json.dumps(without_secrets(state), sort_keys=True).encode(), mtime=0)
    if len(packed) > LIMIT:
        return False
    said = {COMMIT: commit} if commit else {}
    metadata = ObjectMeta(name=name(stack), namespace=namespace, labels=ownership(environment), annotations=said)
    made = ConfigMap(metadata=metadata, binaryData={KEY: base64.b64encode(packed).decode()})
    client.apply(made, field_manager=FIELD_MANAGER, force=True)
    return True


def read(client: Client, namespace: str, stack: str) -> tuple[str, dict[str, Any]] | None:
    """The commit and the state that the last deployment left (see `publish`); None where there was none."""
    try:
        found = client.get(ConfigMap, name(stack), namespace=namespace)
        packed = base64.b64decode((found.binaryData or {})[KEY])
        state: dict[str, Any] = json.loads(gzip.decompress(packed))
    except (ApiError, KeyError, ValueError, OSError) as error:
        if isinstance(error, ApiError) and error.status.code != 404:
            raise
        return None
    annotations = (found.metadata and found.metadata.annotations) or {}
    return str(annotations.get(COMMIT, "")), state
