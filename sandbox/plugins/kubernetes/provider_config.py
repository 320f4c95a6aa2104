"""What a change of the provider's own arguments means: another cluster means new resources, anything else does not."""

import json

from pulumi.runtime.proto import provider_pb2

from sandbox.plugins.kubernetes.kubeconfig import KubeconfigError, load
from sandbox.plugins.properties import UNKNOWN, Properties, plain

_PLACE = ("kubeconfig", "context", "cluster")
_IDENTIFIER = "clusterIdentifier"


def config_diff(old: Properties, new: Properties) -> provider_pb2.DiffResponse:
    """The engine's answer for `DiffConfig`."""
    old, new = plain(old), plain(new)
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if not changed:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
    replaces = []
    if _IDENTIFIER in changed and old.get(_IDENTIFIER) and new.get(_IDENTIFIER):
        replaces.append(_IDENTIFIER)
    elif _IDENTIFIER not in changed and new.get(_IDENTIFIER):
        pass  # the user vouches that it is the same cluster
    else:
        unknown = [key for key in _PLACE if new.get(key) is UNKNOWN]
        before, after = _server(old), _server(new)
        if unknown:
            replaces = unknown[:1]
        elif before and after and before != after:
            replaces = [key for key in _PLACE if key in changed]
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME, diffs=changed, replaces=replaces, deleteBeforeReplace=False
    )


def _server(properties: Properties) -> tuple[str, bytes | None] | None:
    """The cluster that these arguments name, if they can be read here."""
    given = properties.get("kubeconfig")
    if not given or given is UNKNOWN:
        return None
    try:
        access = load(
            given if isinstance(given, str) else json.dumps(given), properties.get("context"), properties.get("cluster")
        )
    except KubeconfigError:
        return None
    return access.server, access.ca
