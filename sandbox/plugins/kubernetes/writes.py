"""Create, update and delete of one object, each with its dry run, by server-side apply."""

import copy
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from sandbox.plugins.kubernetes import waiting
from sandbox.plugins.kubernetes.api import Api, ApiError, NoSuchKind, Object
from sandbox.plugins.kubernetes.field_managers import CREATOR, owns, takeover_patch, was_created_plainly
from sandbox.plugins.kubernetes.objects import (
    DELETION_PROPAGATION,
    PATCH_FORCE,
    SKIP_AWAIT,
    annotation,
    is_annotated,
    metadata,
    name_of,
)
from sandbox.plugins.properties import Json

_RETRIES = (1, 2, 4, 8, 16)
"""Seconds before each new try of a create whose namespace or kind is not there yet."""

_CONFLICT_HELP = (
    "server-side apply field conflict detected, see https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/"
    "managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources for troubleshooting help"
)
_EXISTS_HELP = """

The resource already exists in the cluster. This can happen when:

  - A Pulumi resource was renamed: keep its identity with an alias.
  - It was made by someone else: adopt it with `pulumi import`, or own some of its fields with a Patch resource.
  - An update was killed while creating it: set upsertExistingObjects on the provider to apply over what exists."""

_SKIP_AWAIT_ON_DELETE = {"Namespace", "Pod", "ReplicationController", "DaemonSet", "Deployment", "StatefulSet", "Job"}


class Conflict(Exception):
    """Another field manager owns a field that we want to set."""


class NamespaceMissing(Exception):
    """A dry run cannot tell: the namespace is not there yet."""


@dataclass(frozen=True)
class Write:
    """One operation on one object."""

    api: Api
    inputs: Object
    manager: str
    patience: waiting.Patience
    inform: Callable[[str], None]
    preview: bool = False
    upsert: bool = False
    patch_force: bool = False
    is_patch: bool = False


def create(write: Write) -> Object:
    """The new object as the API server made it, ready. `Unfinished` carries it when it never got ready."""
    live = _create(write)
    if write.preview:
        return live
    return waiting.await_ready(write.api, write.inputs, live, write.patience)


def _create(write: Write) -> Object:
    for attempt, pause in enumerate((*_RETRIES, 0)):
        try:
            return _apply_new(write) if write.upsert or write.is_patch else _post(write)
        except (ApiError, NoSuchKind) as error:
            missing = isinstance(error, NoSuchKind) or error.code == 404
            if write.preview and isinstance(error, ApiError) and missing and error.about == "namespaces":
                raise NamespaceMissing from None
            if not missing or not pause or write.preview or write.patience.cancelled.is_set():
                raise
            write.patience.tell(f"Retry #{attempt}; creation failed: {error}")
            write.patience.cancelled.wait(pause)
    raise AssertionError("the last try returns or raises")


def _post(write: Write) -> Object:
    path = write.api.kind_of(write.inputs).path(metadata(write.inputs).get("namespace"))
    try:
        return write.api.call("POST", path, write.inputs, fieldManager=CREATOR, **_dry_run(write))
    except ApiError as error:
        if error.reason == "AlreadyExists" and not write.preview:
            raise ApiError(error.code, error.status | {"message": f"{error}{_EXISTS_HELP}"}) from None
        raise


def _apply_new(write: Write) -> Object:
    force = write.preview or _forced(write)
    try:
        return _apply(write, force=force)
    except ApiError as error:
        if not (write.preview and error.code == 422 and "field is immutable" in str(error)):
            raise
        # A replacement of the same name cannot be tried on the object that it replaces: try it under another name.
        trial = copy.deepcopy(write.inputs)
        trial["metadata"]["name"] = f"{name_of(trial)[:58]}{secrets.token_hex(3)[:5]}"
        write.inform(f'Preview creation failed due to immutable fields; retrying with name "{name_of(trial)}"')
        return _apply(replace(write, inputs=trial), force=force)


def _apply(write: Write, *, force: bool) -> Object:
    try:
        return write.api.call(
            "PATCH",
            write.api.path_of(write.inputs),
            write.inputs,
            patch="apply",
            fieldManager=write.manager,
            force=force,
            **_dry_run(write),
        )
    except ApiError as error:
        if error.code == 409:
            raise Conflict(
                f"{_CONFLICT_HELP}\n"
                f'The resource managed by field manager "{write.manager}" had an apply conflict: {error}'
            ) from None
        raise


def _forced(write: Write) -> bool:
    return write.patch_force or is_annotated(write.inputs, PATCH_FORCE)


def _dry_run(write: Write) -> dict[str, str]:
    return {"dryRun": "All"} if write.preview else {}


def update(write: Write, old_name: str, ignored: list[str]) -> Object:
    """The changed object, ready.

    `ignored` are the paths of the resource option `ignore_changes`: the inputs take the live value there, and are
    recorded so, as the official provider does.
    """
    path = write.api.kind_of(write.inputs).path(metadata(write.inputs).get("namespace"), old_name)
    live = write.api.call("GET", path)
    if write.inputs.get("kind") == "CustomResourceDefinition":
        inputs = copy.deepcopy(write.inputs)
        inputs["metadata"]["resourceVersion"] = metadata(live).get("resourceVersion")
        changed = write.api.call("PUT", path, inputs, fieldManager=write.manager, **_dry_run(write))
    else:
        plain_create = was_created_plainly(live)
        if not write.preview and not write.is_patch and (patch := takeover_patch(live, write.manager)):
            live = write.api.call("PATCH", path, patch, patch="json")
        for each in ignored:
            _keep_ignored(write.inputs, live, write.manager, each.split("."))
        unmanaged = not metadata(live).get("managedFields")
        force = _forced(write) or unmanaged or (write.preview and plain_create)
        changed = _apply(write, force=force)
    if write.preview:
        return changed
    return waiting.await_ready(write.api, write.inputs, changed, write.patience)


def _keep_ignored(inputs: Object, live: Object, manager: str, path: list[str]) -> None:
    """An ignored field stays with whoever owns it; ours keeps its live value, or the apply would unset it."""
    mine, others = owns(live, manager, path)
    if others and not mine:
        parent = _reach(inputs, path[:-1])
        if isinstance(parent, dict):
            parent.pop(path[-1], None)
        return
    parent = _reach(live, path[:-1])
    if isinstance(parent, dict) and path[-1] in parent:
        target = inputs
        for step in path[:-1]:
            target = target.setdefault(step, {})
        target[path[-1]] = copy.deepcopy(parent[path[-1]])


def _reach(item: Json, path: list[str]) -> Json:
    for step in path:
        item = item.get(step) if isinstance(item, dict) else None
    return item


def relinquish(api: Api, live: Object, manager: str) -> None:
    """Gives up all fields that `manager` owns."""
    meta = {key: value for key, value in metadata(live).items() if key in {"name", "namespace"}}
    body = {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": meta}
    api.call("PATCH", api.path_of(live), body, patch="apply", fieldManager=manager)


def delete(write: Write, live: Object) -> None:
    """Deletes the object and waits until it is gone. One that is gone already is fine."""
    try:
        if write.is_patch:
            relinquish(write.api, live, write.manager)
            return
        path = write.api.path_of(live)
        policy = {"orphan": "Orphan", "background": "Background"}
        chosen = policy.get(annotation(write.inputs, DELETION_PROPAGATION).lower(), "Foreground")
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": chosen}
        write.api.call("DELETE", path, body)
    except NoSuchKind:
        return
    except ApiError as error:
        if error.code == 404:
            return
        raise
    if is_annotated(write.inputs, SKIP_AWAIT) and write.inputs.get("kind") in _SKIP_AWAIT_ON_DELETE:
        return
    waiting.await_gone(write.api, write.inputs, path, metadata(live).get("uid"), write.patience)


__all__ = ["Conflict", "NamespaceMissing", "Write", "create", "delete", "relinquish", "update"]
