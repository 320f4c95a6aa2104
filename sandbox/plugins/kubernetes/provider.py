"""The `kubernetes` provider's double: the engine's calls, answered through the API server.

What it does it has learnt from the official provider 4.32; where the two differ on purpose, the module that differs
says so. Helm releases, client-side apply and the component resources are not in it.
"""

import secrets

import urllib3
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2

from sandbox.plugins.kubernetes import writes
from sandbox.plugins.kubernetes.api import Api, ApiError, NoSuchKind
from sandbox.plugins.kubernetes.diff import Change, differences
from sandbox.plugins.kubernetes.immutable import immutable_fields
from sandbox.plugins.kubernetes.kubeconfig import KubeconfigError, load
from sandbox.plugins.kubernetes.objects import (
    AUTONAMED,
    FIELD_MANAGER,
    Object,
    annotation,
    identity,
    is_annotated,
    is_named,
    mark_secrets,
    metadata,
    name_of,
    namespace_of,
    normalised,
    pruned,
)
from sandbox.plugins.kubernetes.provider_config import config_diff
from sandbox.plugins.kubernetes.settings import ProviderSettings
from sandbox.plugins.kubernetes.waiting import Patience, Unfinished, check_ready
from sandbox.plugins.lifecycle import Rpc
from sandbox.plugins.properties import Properties, from_struct, has_unknown, plain, to_struct
from sandbox.plugins.provider_base import PartialError, ProviderDouble, ProviderError, reported, serve_provider

_INPUTS, _MANAGER, _INITIAL_VERSION = "__inputs", "__fieldManager", "__initialApiVersion"

_Request = provider_pb2.CreateRequest | provider_pb2.UpdateRequest | provider_pb2.DeleteRequest


class KubernetesProvider(ProviderDouble):
    """One configured provider: one cluster, one identity."""

    package = "pulumi-kubernetes"

    def __init__(self) -> None:
        super().__init__()
        self.settings = ProviderSettings()
        self.namespace = "default"
        self.api: Api | None = None
        self.unreachable = "the provider is not configured"

    @reported
    def DiffConfig(self, request: provider_pb2.DiffRequest, context: Rpc) -> provider_pb2.DiffResponse:
        return config_diff(from_struct(request.olds), from_struct(request.news))

    @reported
    def Configure(self, request: provider_pb2.ConfigureRequest, context: Rpc) -> provider_pb2.ConfigureResponse:
        self.settings = ProviderSettings.read(request.variables)
        try:
            access = load(self.settings.kubeconfig, self.settings.context, self.settings.cluster)
            self.namespace = self.settings.namespace or access.namespace
            api = Api(access, self.settings.timeout, self.settings.burst)
            api.kind("v1", "Namespace")  # the first question: who is there, and do they know us
            self.api = api
        except KubeconfigError as error:
            self.unreachable = f"unable to load Kubernetes client configuration from kubeconfig file: {error}"
        except (ApiError, NoSuchKind, urllib3.exceptions.HTTPError, OSError) as error:
            self.unreachable = f"unable to load schema information from the API server: {_one_line(error)}"
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    @reported
    def Check(self, request: provider_pb2.CheckRequest, context: Rpc) -> provider_pb2.CheckResponse:
        if self.api is None and self.settings.skip_update_unreachable:
            self.log.warning(request.urn, "Cluster is unreachable but skipUpdateUnreachable is set, skipping...")
            return provider_pb2.CheckResponse(inputs=request.olds)
        given, old = from_struct(request.news), plain(from_struct(request.olds))
        new = plain(given)
        if str(new.get("kind", "")).endswith("List") and "items" in new:
            raise ProviderError("list resources cannot be created directly: use the underlying resource type instead")
        is_patch = _is_patch(request.urn, new)
        if not has_unknown(new):
            new = normalised(new)
        if isinstance(new.get("metadata", {}), dict):
            new["metadata"] = dict(new.get("metadata", {}))
            if is_patch and not is_named(new):
                raise ProviderError("patch resources require the `.metadata.name` field to be set")
            if not is_named(new):
                _name(new, old, request)
            if "namespace" not in new["metadata"] and self._is_namespaced(new):
                new["metadata"]["namespace"] = self.namespace
        checked = mark_secrets(new, given)
        return provider_pb2.CheckResponse(inputs=to_struct(checked))

    @reported
    def Invoke(self, request: provider_pb2.InvokeRequest, context: Rpc) -> provider_pb2.InvokeResponse:
        from sandbox.plugins.kubernetes import invokes  # noqa: PLC0415  most runs render nothing

        given = plain(from_struct(request.args))
        match request.tok:
            case "kubernetes:yaml:decode":
                found = invokes.decode(given["text"], given.get("defaultNamespace", ""), self.api)
            case "kubernetes:kustomize:directory":
                found = invokes.kustomize(given["directory"])
            case "kubernetes:helm:template":
                found = invokes.template(given["jsonOpts"], self.api)
            case _:
                raise ProviderError(f'unknown Invoke type "{request.tok}"')
        return provider_pb2.InvokeResponse(**{"return": to_struct({"result": found})})

    def _is_namespaced(self, item: Object) -> bool:
        if self.api is None:
            return True
        try:
            return self.api.kind_of(item).namespaced
        except (NoSuchKind, ApiError):
            return True  # a custom resource before its definition: most have one

    @reported
    def Diff(self, request: provider_pb2.DiffRequest, context: Rpc) -> provider_pb2.DiffResponse:
        new = plain(from_struct(request.news))
        old_inputs, live = _parts(from_struct(request.olds))
        if not has_unknown(new):
            new = normalised(new)
        old = pruned(live, normalised(old_inputs))
        new_meta, old_meta = dict(metadata(new)), dict(metadata(old))
        if self._is_namespaced(new):
            new_meta.setdefault("namespace", "default")
            old_meta.setdefault("namespace", namespace_of(live) or "default")
        else:
            new_meta.pop("namespace", None)
            old_meta.pop("namespace", None)
        if name_of(new):
            old_meta["name"] = name_of(live)
        new, old = new | {"metadata": new_meta}, old | {"metadata": old_meta}
        for key in ("apiVersion", "kind"):
            old.setdefault(key, new.get(key))
        immutable = immutable_fields(
            {} if _is_patch(request.urn, new) else new,
            secrets_mutable=self.settings.secrets_mutable,
            config_maps_mutable=self.settings.config_maps_mutable,
        )
        ignored = [path.split(".") for path in request.ignoreChanges]
        found = [
            each
            for each in differences(old, new, immutable)
            if not any(list(map(str, each.path[: len(path)])) == path for path in ignored)
        ]
        replaces = [each.property_path for each in found if each.replaces]
        same_name = name_of(new) == name_of(live) and namespace_of(new) == (namespace_of(live) or "")
        must_share_name = is_named(new) and not is_annotated(new, AUTONAMED) and same_name
        kinds = provider_pb2.PropertyDiff.Kind
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=replaces,
            deleteBeforeReplace=bool(replaces) and must_share_name,
            detailedDiff={
                each.property_path: provider_pb2.PropertyDiff(
                    kind=kinds.Value(f"{each.change.value}_REPLACE" if each.replaces else each.change.value),
                    inputDiff=each.change is Change.DELETE,
                )
                for each in found
            },
            hasDetailedDiff=True,
        )

    @reported
    def Create(self, request: provider_pb2.CreateRequest, context: Rpc) -> provider_pb2.CreateResponse:
        given = from_struct(request.properties)
        inputs = plain(given)
        unchanged = provider_pb2.CreateResponse(properties=request.properties)
        if request.preview and (has_unknown(inputs) or not self._knows(inputs) or _is_patch(request.urn, inputs)):
            return unchanged
        write = self._write(request, inputs, annotation(inputs, FIELD_MANAGER) or _new_manager())
        why = f'resource "{request.urn}" was not successfully created by the Kubernetes API server: '
        try:
            live = writes.create(write)
        except Unfinished as error:
            message = (
                f'resource "{request.urn}" was successfully created, but the Kubernetes API server reported that it '
                f"failed to fully initialize or become live: {error}"
            )
            raise self._partial(message, error, _state(inputs, error.live, given, write.manager)) from None
        except writes.NamespaceMissing:
            return unchanged
        except NoSuchKind as error:
            raise ProviderError(
                f'creation of resource "{request.urn}" with kind {inputs.get("apiVersion")}/{inputs.get("kind")} '
                "failed because the Kubernetes API server reported that the apiVersion for this resource does not "
                f"exist. Verify that any required CRDs have been created: {error}"
            ) from None
        except ApiError as error:
            if request.preview and (error.code == 403 or error.reason == "AlreadyExists" or _no_dry_run(error)):
                return unchanged
            raise ProviderError(f"{why}{error}") from None
        except (writes.Conflict, urllib3.exceptions.HTTPError) as error:
            raise ProviderError(f"{why}{_one_line(error)}") from None
        if request.preview:
            live.pop("status", None)
        state = _state(inputs, live, given, write.manager)
        return provider_pb2.CreateResponse(id="" if request.preview else identity(live), properties=to_struct(state))

    @reported
    def Update(self, request: provider_pb2.UpdateRequest, context: Rpc) -> provider_pb2.UpdateResponse:
        given, old_state = from_struct(request.news), from_struct(request.olds)
        inputs = plain(given)
        unchanged = provider_pb2.UpdateResponse(properties=request.news)
        if request.preview and (has_unknown(inputs) or not self._knows(inputs)):
            return unchanged
        inputs = normalised(inputs)
        old_inputs, old_live = _parts(old_state)
        old_manager = annotation(old_inputs, FIELD_MANAGER) or old_state.get(_MANAGER) or _new_manager()
        manager = annotation(inputs, FIELD_MANAGER) or old_state.get(_MANAGER) or _new_manager()
        write = self._write(request, inputs, manager)
        version = old_state.get(_INITIAL_VERSION)
        try:
            live = writes.update(write, name_of(old_live), list(request.ignoreChanges))
            if not request.preview and manager != old_manager:
                writes.relinquish(write.api, live, old_manager)
        except NoSuchKind as error:
            raise ProviderError(
                f'update of resource "{request.urn}" failed because the Kubernetes API server reported that the '
                f"apiVersion for this resource does not exist: {error}"
            ) from None
        except (ApiError, writes.Conflict, Unfinished, urllib3.exceptions.HTTPError) as error:
            if request.preview and isinstance(error, ApiError) and error.code == 403:
                return unchanged
            raise self._update_failed(write, error, given, old_live, request.urn) from None
        return provider_pb2.UpdateResponse(properties=to_struct(_state(inputs, live, given, manager, version)))

    def _update_failed(
        self, write: writes.Write, error: Exception, given: Properties, old_live: Object, urn: str
    ) -> ProviderError:
        """An object that is still there is recorded as it is; one that is not fails plainly."""
        if isinstance(error, Unfinished):
            live = error.live
        else:
            try:
                live = write.api.call("GET", write.api.path_of(old_live))
            except (ApiError, NoSuchKind, urllib3.exceptions.HTTPError) as second:
                return ProviderError(
                    f'update of resource "{urn}" failed: {_one_line(error)}\n'
                    f"unable to get cluster state: {_one_line(second)}"
                )
        message = (
            f'the Kubernetes API server reported that "{identity(live)}" failed to fully initialize or become live: '
            f"{error}"
        )
        return self._partial(message, error, _state(write.inputs, live, given, write.manager))

    @reported
    def Delete(self, request: provider_pb2.DeleteRequest, context: Rpc) -> empty_pb2.Empty:
        state = from_struct(request.properties)
        inputs, live = _parts(state)
        if self.api is None and self.settings.delete_unreachable:
            self.log.warning(request.urn, f"configured Kubernetes cluster is unreachable: {self.unreachable}")
            return empty_pb2.Empty()
        if self.api is None:
            raise ProviderError(
                f"configured Kubernetes cluster is unreachable: {self.unreachable}. If the cluster was deleted, you "
                "can remove this resource from Pulumi state by rerunning the operation with the "
                'PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"'
            )
        write = self._write(request, inputs, str(state.get(_MANAGER, "")))
        live = live | {"metadata": metadata(live) | {"name": request.id.rpartition("/")[2]}}
        try:
            writes.delete(write, live)
        except Unfinished as error:
            left = _state(inputs, error.live, from_struct(request.old_inputs) or inputs, write.manager)
            for reason in error.reasons:
                self.log.warning(request.urn, reason)
            raise self._partial(str(error), error, left) from None
        except (ApiError, urllib3.exceptions.HTTPError) as error:
            raise ProviderError(_one_line(error)) from None
        return empty_pb2.Empty()

    @reported
    def Read(self, request: provider_pb2.ReadRequest, context: Rpc) -> provider_pb2.ReadResponse:
        gone = provider_pb2.ReadResponse()
        if self.api is None:
            self.log.warning(request.urn, f"configured Kubernetes cluster is unreachable: {self.unreachable}")
            if self.settings.delete_unreachable:
                return gone
            if self.settings.skip_update_unreachable:
                return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)
            raise ProviderError(
                "failed to read resource state due to unreachable cluster. If the cluster was deleted, you can remove "
                "this resource from Pulumi state by rerunning the operation with the PULUMI_K8S_DELETE_UNREACHABLE "
                'environment variable set to "true"'
            )
        state, given = from_struct(request.properties), from_struct(request.inputs)
        old_inputs, (_, old_live) = normalised(plain(given)), _parts(state)
        imported = not old_inputs.get("kind") and not old_live.get("kind")
        namespace, _, name = request.id.rpartition("/")
        wanted = {
            "apiVersion": old_inputs.get("apiVersion") or old_live.get("apiVersion") or _version_of(request.urn),
            "kind": old_inputs.get("kind") or old_live.get("kind") or _kind_of(request.urn),
            "metadata": {"name": name, "namespace": namespace_of(old_inputs) or namespace or None},
        }
        manager = annotation(old_inputs, FIELD_MANAGER) or str(state.get(_MANAGER) or _new_manager())
        unfinished: Unfinished | None = None
        try:
            live = self.api.call("GET", self.api.path_of(wanted))
            if not imported:
                check_ready(self.api, old_inputs, live)
        except NoSuchKind:
            return gone
        except ApiError as error:
            if error.code == 404:
                return gone
            raise ProviderError(str(error)) from None
        except Unfinished as error:
            unfinished, live = error, error.live
        except urllib3.exceptions.HTTPError as error:
            raise ProviderError(_one_line(error)) from None
        live_inputs = _inputs_of(live) if imported else pruned(live, old_inputs)
        for key in ("apiVersion", "kind"):
            live_inputs.setdefault(key, wanted[key])
        new_state = _state(live_inputs, live, given, manager, state.get(_INITIAL_VERSION))
        new_inputs = mark_secrets(live_inputs, given)
        if unfinished is not None:
            raise self._partial(str(unfinished), unfinished, new_state, new_inputs)
        return provider_pb2.ReadResponse(
            id=request.id or identity(live), properties=to_struct(new_state), inputs=to_struct(new_inputs)
        )

    def _reachable(self) -> Api:
        if self.api is None:
            raise ProviderError(f"configured Kubernetes cluster is unreachable: {self.unreachable}")
        return self.api

    def _knows(self, item: Object) -> bool:
        if self.api is None:
            return False
        try:
            self.api.kind_of(item)
        except (NoSuchKind, ApiError, urllib3.exceptions.HTTPError):
            return False
        return True

    def _write(self, request: _Request, inputs: Object, manager: str) -> writes.Write:
        return writes.Write(
            api=self._reachable(),
            inputs=inputs,
            manager=manager,
            patience=Patience(request.timeout, self.cancelled, lambda message: self.log.status(request.urn, message)),
            inform=lambda message: self.log.info(request.urn, message),
            preview=getattr(request, "preview", False),
            upsert=self.settings.upsert,
            patch_force=self.settings.patch_force,
            is_patch=_is_patch(request.urn, inputs),
        )

    @staticmethod
    def _partial(message: str, error: Exception, state: Properties, inputs: Properties | None = None) -> PartialError:
        reasons = error.reasons if isinstance(error, Unfinished) else []
        live = {key: plain(value) for key, value in state.items() if key == "metadata"}
        return PartialError(message, identity=identity(live), state=state, reasons=[message, *reasons], inputs=inputs)


def _state(
    inputs: Object, live: Object, given: Properties, manager: str, initial_version: str | None = None
) -> Properties:
    """What the engine keeps: the live object, and beside it the inputs that made it so, both with their secrets."""
    state = mark_secrets(live, given)
    state[_INPUTS] = mark_secrets(inputs, given)
    state[_MANAGER] = manager
    state[_INITIAL_VERSION] = initial_version or inputs.get("apiVersion", "")
    return state


def _parts(state: Properties) -> tuple[Object, Object]:
    """The inputs and the live object in a state."""
    live = {key: plain(value) for key, value in state.items() if not key.startswith("__")}
    return plain(state.get(_INPUTS) or {}), live


def _inputs_of(live: Object) -> Object:
    """What of an imported object a program would have written."""
    found = normalised({key: value for key, value in live.items() if key != "status"})
    marks = dict(metadata(found).get("annotations") or {})
    for key in ("deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration"):
        marks.pop(key, None)
    kept = {key: value for key, value in metadata(found).items() if key != "annotations"}
    return found | {"metadata": kept | ({"annotations": marks} if marks else {})}


def _name(new: Object, old: Object, request: provider_pb2.CheckRequest) -> None:
    """Gives an object without a name the one it had, or a new one, and marks it so."""
    if is_annotated(old, AUTONAMED):
        name = name_of(old)
    elif old:
        return
    else:
        if metadata(new).get("generateName"):
            raise ProviderError("the `.metadata.generateName` field is not supported in Server-Side Apply mode")
        modes = provider_pb2.CheckRequest.AutonamingOptions
        if request.HasField("autonaming") and request.autonaming.mode == modes.DISABLE:
            raise ProviderError("autonaming is disabled, resource requires the .metadata.name field to be set")
        proposed = request.autonaming.proposed_name if request.HasField("autonaming") else ""
        suffix = request.randomSeed.hex()[:8] or secrets.token_hex(4)
        name = proposed or f"{request.urn.rpartition('::')[2]}-{suffix}"
    new["metadata"]["name"] = name
    marks = new["metadata"].get("annotations", {})
    if isinstance(marks, dict):
        new["metadata"]["annotations"] = marks | {AUTONAMED: "true"}


def _token(urn: str) -> str:
    """The type token in a URN, without those of its parents."""
    return urn.split("::")[2].rpartition("$")[2]


def _version_of(urn: str) -> str:
    return _token(urn).split(":")[1].removeprefix("core/")


def _kind_of(urn: str) -> str:
    return _token(urn).split(":")[2]


def _is_patch(urn: str, inputs: Object) -> bool:
    return _kind_of(urn).endswith("Patch") and _kind_of(urn) != inputs.get("kind")


def _new_manager() -> str:
    return f"pulumi-kubernetes-{secrets.token_hex(4)}"


def _no_dry_run(error: ApiError) -> bool:
    return error.code == 400 and ("does not support dry run" in str(error) or "dryRun" in str(error))


def _one_line(error: Exception) -> str:
    if isinstance(error, ApiError) and error.code == 401:
        return "the server has asked for the client to provide credentials"  # the Go client's words
    if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        return f"{error.reason}".partition(": ")[2] or str(error.reason)
    return str(error)


def main() -> None:
    """Serves the engine."""
    serve_provider(KubernetesProvider())


__all__ = ["KubernetesProvider", "main"]
