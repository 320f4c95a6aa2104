"""Runs a component without an engine and keeps everything that it asked the engine for, for tests of the wiring."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime import rpc

from pulumi_slipway.components.before_write import Works

Outputs = Callable[[str, str, dict[str, Any]], dict[str, Any]]
"""What a resource answers beyond its inputs, by type, name and inputs."""


@dataclass(frozen=True)
class Recorded:
    """One resource as the program asked for it."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    """With every secret unwrapped; which ones they are says `secrets`."""
    secrets: frozenset[str]
    """Top-level inputs that are, or hold, a secret."""
    parent: str
    """Name of the parent resource, empty at the top."""
    parent_type: str
    """Type of the parent resource, empty at the top."""
    depends_on: frozenset[str]
    """Names of the resources that come first, whether by `depends_on` or by an output that is used."""
    provider: str
    """Name of the explicit provider, empty where there is none."""
    secret_outputs: tuple[str, ...]
    ignored: tuple[str, ...]
    """Paths of `ignore_changes`."""
    retained: bool
    """Whether a destroy leaves it."""
    hooks: Mapping[str, tuple[str, ...]]
    """Names of the hooks by when they run: before_update, after_create, …"""


@dataclass
class Recording:
    """All that a program asked for, in the order of asking."""

    resources: list[Recorded] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)
    """What was logged: severity in lower case, text."""
    outputs: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """What components have registered: type and outputs."""
    hooks: dict[str, bool] = field(default_factory=dict)
    """The hooks that were registered, and whether the engine would run them in a preview too."""
    works: Mapping[tuple[str, str], Works] = field(default_factory=dict)
    """What would be done before each object is written, by its type and name."""

    def of(self, type_: str) -> list[Recorded]:
        """The resources whose type ends so: `Namespace`, `rbac.authorization.k8s.io/v1:Role`."""
        return [r for r in self.resources if r.type == type_ or r.type.endswith((f":{type_}", f"/{type_}"))]

    def one(self, type_: str, **inputs: Any) -> Recorded:
        """The only resource of this type; with inputs the only one that has these."""
        found = [r for r in self.of(type_) if all(r.inputs.get(key) == value for key, value in inputs.items())]
        assert len(found) == 1, f"{len(found)} of {type_} with {inputs}: {[r.name for r in self.resources]}"
        return found[0]

    def named(self, name: str) -> Recorded:
        """The only resource of this logical name."""
        found = [r for r in self.resources if r.name == name]
        assert len(found) == 1, f"{len(found)} called {name}: {[r.name for r in self.resources]}"
        return found[0]

    def before(self, name: str) -> set[str]:
        """Names of the resources that are done before this one is begun."""
        found: set[str] = set()
        waiting = {name}
        while waiting:
            first = set(self.named(waiting.pop()).depends_on) - found
            found |= first
            waiting |= first
        return found


class _Mocks(pulumi_mocks.Mocks):
    def __init__(self, outputs: Outputs) -> None:
        self.outputs = outputs

    def call(self, args: pulumi_mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        if args.token == "pulumi:pulumi:readStackResourceOutputs":
            return {"outputs": {}}, []  # a stack that is new
        raise AssertionError(f"the program calls {args.token}: no test foresees it")

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        plain = _plain(args.inputs)
        return f"{args.name}-id", {**plain, **self.outputs(args.typ, args.name, plain)}


class _Monitor(pulumi_mocks.MockMonitor):
    """The mock monitor, with an eye for what its mocks aren't shown: parents, dependencies, options."""

    def __init__(self, mocks: _Mocks, recording: Recording) -> None:
        super().__init__(mocks)
        self.recording = recording

    def RegisterResourceHook(self, request: Any) -> Any:
        self.recording.hooks[request.name] = request.on_dry_run
        return super().RegisterResourceHook(request)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        outputs = rpc.deserialize_properties(request.outputs, keep_unknowns=True)
        self.recording.outputs.append((_type(request.urn), _plain(outputs)))
        return super().RegisterResourceOutputs(request)

    def RegisterResource(self, request: Any) -> Any:
        answer = super().RegisterResource(request)
        if request.type == "pulumi:pulumi:Stack":
            return answer
        inputs = rpc.deserialize_properties(request.object, keep_unknowns=True)
        hooks = MessageToDict(request.hooks, preserving_proto_field_name=True)
        self.recording.resources.append(
            Recorded(
                type=request.type,
                name=request.name,
                inputs=_plain(inputs),
                secrets=frozenset(key for key, value in inputs.items() if _has_secret(value)),
                parent=_name(request.parent),
                parent_type=_type(request.parent),
                depends_on=frozenset(map(_name, request.dependencies)),
                provider=_name(request.provider.rpartition("::")[0]) if request.provider else "",
                secret_outputs=tuple(request.additionalSecretOutputs),
                ignored=tuple(request.ignoreChanges),
                retained=bool(request.retainOnDelete),
                hooks={when: tuple(names) for when, names in hooks.items()},
            )
        )
        return answer


class _Log:
    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    def _keep(self, severity: str) -> Callable[..., None]:
        return lambda message, *_: self.recording.messages.append((severity, message))

    def __getattr__(self, severity: str) -> Callable[..., None]:
        return self._keep(severity)


def _plain(value: Any) -> Any:
    if rpc.is_rpc_secret(value):
        return _plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _has_secret(value: Any) -> bool:
    if rpc.is_rpc_secret(value):
        return True
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(map(_has_secret, items))


def _name(urn: str) -> str:
    types, _, name = urn.rpartition("::")
    return "" if types.endswith("pulumi:pulumi:Stack") else name


def _type(urn: str) -> str:
    """The type of the resource itself, without those of its parents."""
    type_ = urn.rpartition("::")[0].rpartition("::")[2].rpartition("$")[2]
    return "" if type_ == "pulumi:pulumi:Stack" else type_


def _kubernetes_outputs(type_: str, name: str, _inputs: dict[str, Any]) -> dict[str, Any]:
    """What the API server adds to any object, as far as programs use it."""
    return {"metadata": {**_inputs.get("metadata", {}), "uid": f"{name}-uid"}} if "metadata" in _inputs else {}


@pytest.fixture(scope="session")
def record() -> Callable[..., Recording]:
    """`record(program, outputs=…, preview=…)`: runs the program to its end and returns what it asked for."""

    def run(program: Callable[[], Any], outputs: Outputs | None = None, preview: bool = False) -> Recording:
        recording = Recording()

        def answer(type_: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
            return {**_kubernetes_outputs(type_, name, inputs), **(outputs(type_, name, inputs) if outputs else {})}

        mocks = _Mocks(answer)
        pulumi_mocks.set_mocks(
            mocks, "slipway", "test", preview, logger=_Log(recording), monitor=_Monitor(mocks, recording)
        )
        pulumi.runtime.test(program)()
        return recording

    return run
