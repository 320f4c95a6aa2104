"""What programs in other languages are told of the components, and how their values arrive."""

from dataclasses import fields

import pulumi
import pytest

from pulumi_slipway import CanaryArgs, EnvironmentArgs, WorkloadArgs
from pulumi_slipway.components import plugin
from pulumi_slipway.components.inputs import Resolver
from pulumi_slipway.core.errors import UserError


def test_each_component_and_argument_is_in_the_schema():
    resources = plugin.schema()["resources"]
    assert set(resources) == {f"slipway:index:{it}" for it in plugin.COMPONENTS}
    assert all(it["isComponent"] for it in resources.values())
    canary = resources["slipway:index:Canary"]
    assert len(canary["inputProperties"]) == len(fields(CanaryArgs))
    assert canary["inputProperties"]["environment"] == {"$ref": "#/resources/slipway:index:Environment"}
    assert canary["requiredInputs"] == ["environment"]
    assert {"phase", "release", "liveTrack", "previewService"} <= set(canary["properties"])
    assert "settings" not in resources["slipway:index:Environment"]["inputProperties"]


def test_numbers_of_the_engine_are_integers_again_wherever_they_are(record):
    found = []

    def program():
        secret = pulumi.Output.secret({"A": 5.0})
        steps = [{"weight": 25.0, "pause": "2s"}]
        args = plugin._args(CanaryArgs, {"replicas": 4.0, "steps": steps, "secretEnv": secret}, "web")
        known = Resolver("web")
        found.append((args.replicas, args.steps, known.value(args.secret_env), known.secret))

    record(program)
    [(replicas, steps, secret_env, secret)] = found
    assert repr((replicas, steps)) == repr((4, [{"weight": 25, "pause": "2s"}]))
    assert repr(secret_env) == repr({"A": 5})
    assert secret


def test_the_workloads_of_an_environment_are_blocks():
    inputs = {"imagePullSecret": "pull", "workloads": {"web": {"strategy": {"canary": {}}, "progressDeadline": "5m"}}}
    assert plugin._args(EnvironmentArgs, inputs, "shop") == EnvironmentArgs(
        image_pull_secret="pull",
        workloads={"web": WorkloadArgs(strategy={"canary": {}}, progress_deadline="5m")},
    )


def test_a_misspelt_argument_in_a_block_is_refused():
    with pytest.raises(UserError, match=r"^shop\.web: replica: unknown; there are adopt, annotations, .*replicas"):
        plugin._args(EnvironmentArgs, {"workloads": {"web": {"replica": 2.0}}}, "shop")


def test_an_environment_of_another_process_is_refused():
    with pytest.raises(UserError, match=r"^shop: is no Environment of this program"):
        plugin._Made().construct(
            "shop", "slipway:index:Environment", "urn:pulumi:dev::p::slipway:index:Environment::shop"
        )
