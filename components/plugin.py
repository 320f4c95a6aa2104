"""The components for programs in other languages: a plugin of the engine that makes them (docs/other-languages.md)."""

import json
import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pulumi
from pulumi.provider import ConstructResult, Provider, main
from pulumi.runtime import ResourceModule, register_resource_module
from pydantic.alias_generators import to_camel

from pulumi_slipway.components import program
from pulumi_slipway.components.blue_green import BlueGreen, BlueGreenArgs
from pulumi_slipway.components.canary import Canary, CanaryArgs
from pulumi_slipway.components.environment import Environment, EnvironmentArgs
from pulumi_slipway.components.inputs import Resolver, whole
from pulumi_slipway.components.reached import Reached
from pulumi_slipway.components.rolling import Rolling, RollingArgs
from pulumi_slipway.components.workload import Workload, WorkloadArgs
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.version import VERSION

PACKAGE = "slipway"
COMPONENTS: Mapping[str, tuple[Any, Any]] = {
    "BlueGreen": (BlueGreen, BlueGreenArgs),
    "Canary": (Canary, CanaryArgs),
    "Environment": (Environment, EnvironmentArgs),
    "Rolling": (Rolling, RollingArgs),
    "Workload": (Workload, WorkloadArgs),
}
ANY = {"$ref": "pulumi.json#/Any"}
"""A setting may be of several types (`300` or `5m`). Its own schema sees to them, once a release is planned."""


def serve() -> None:
    """Serves the engine that has started this process as a plugin, until the engine ends it.

    The whole `__main__.py` beside a PulumiPlugin.yaml: see examples/yaml-canary and docs/other-languages.md.
    """
    main(Plugin(), sys.argv[1:])


class Plugin(Provider):
    """Makes the components that a program in another language declares."""

    def __init__(self) -> None:
        super().__init__(VERSION, json.dumps(schema()))
        self._made = _Made()
        register_resource_module(PACKAGE, "index", self._made)
        program.hosted()

    def construct(
        self, name: str, resource_type: str, inputs: pulumi.Inputs, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        """Makes one component; what is wrong with it is one line."""
        component, args = COMPONENTS[resource_type.rpartition(":")[2]]
        try:
            made = component(name, _args(args, inputs, name), options)
        except (UserError, pulumi.RunError) as error:  # the SDK puts a class's name before the text of any other
            raise pulumi.InputPropertiesError(str(error), []) from None
        if isinstance(made, Environment):
            self._made.environments[Resolver(name).value(made.urn)] = made
            return ConstructResult(made.urn, {"summary": made.summary})
        return ConstructResult(made.urn, {to_camel(it.name): getattr(made, it.name) for it in fields(Reached)})

    def cancel(self) -> None:
        """The run was cancelled: the gates end, and say how things stand."""
        program.interrupt()


class _Made(ResourceModule):
    """An Environment is handed to its workloads by URN: the one that this process has made."""

    def __init__(self) -> None:
        self.environments: dict[str, Environment] = {}

    def version(self) -> None:
        return None

    def construct(self, name: str, typ: str, urn: str) -> Environment:
        if urn not in self.environments:
            raise UserError(f"{name}: is no Environment of this program")
        return self.environments[urn]


def schema() -> dict[str, Any]:
    """The package as the engine and the other languages know it."""
    return {
        "name": PACKAGE,
        "version": VERSION,
        "resources": {
            f"{PACKAGE}:index:{name}": {"isComponent": True, **_described(component, args)}
            for name, (component, args) in COMPONENTS.items()
        },
    }


def _described(component: Any, args: Any) -> dict[str, Any]:  # noqa: ANN401
    inputs: dict[str, Any] = dict.fromkeys(_names(args), ANY)
    if component is Environment:
        return {"inputProperties": inputs, "properties": {"summary": ANY}}
    inputs["environment"] = {"$ref": f"#/resources/{PACKAGE}:index:Environment"}
    outputs = {to_camel(it.name): ANY for it in fields(Reached)}
    return {"inputProperties": inputs, "requiredInputs": ["environment"], "properties": outputs}


def _names(args: Any) -> dict[str, str]:  # noqa: ANN401
    """The arguments by their names in other languages."""
    return {to_camel(it.name): it.name for it in fields(args) if it.name != "settings"}


def _args(of: Any, inputs: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401
    names = _names(of)
    wrong = sorted(set(inputs) - set(names))
    if wrong:
        raise UserError(f"{where}: {', '.join(wrong)}: unknown; there are {', '.join(sorted(names))}")
    given = {names[key]: whole(value) for key, value in inputs.items() if value is not None}
    if "environment" in given:
        given["environment"] = Resolver(where).value(given["environment"], "environment")
    if of is EnvironmentArgs:
        workloads = given.get("workloads") or {}
        given["workloads"] = {key: _args(WorkloadArgs, it, f"{where}.{key}") for key, it in workloads.items()}
    return of(**given)
