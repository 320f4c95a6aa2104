"""The arguments of the public components: each setting has one, and outputs among them are waited for."""

import inspect
import re
from dataclasses import fields

import pulumi
import pytest

import pulumi_slipway
from pulumi_slipway import BlueGreenArgs, CanaryArgs, EnvironmentArgs, RollingArgs, WorkloadArgs
from pulumi_slipway.components import environment as environments
from pulumi_slipway.components.args import ApplicationArgs
from pulumi_slipway.components.before_write import BeforeWrite
from pulumi_slipway.components.inputs import UNKNOWN, Resolver
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.settings import Environment, Workload
from pulumi_slipway.settings.strategy import BlueGreen, Canary, Rolling


def named(args, beyond=()):
    return {it.name for it in fields(args)} - {*beyond}


COMMON = named(ApplicationArgs)


def test_every_setting_of_a_workload_is_an_argument():
    assert COMMON - {"environment", "name"} == set(Workload.model_fields) - {"strategy"}
    assert named(WorkloadArgs, COMMON) == {"strategy"}


@pytest.mark.parametrize(
    ("args", "settings", "renamed"),
    [
        (RollingArgs, Rolling, {"after_checks": "checks"}),
        (BlueGreenArgs, BlueGreen, {}),
        (CanaryArgs, Canary, {"step_checks": "checks"}),
    ],
)
def test_every_setting_of_a_strategy_is_an_argument(args, settings, renamed):
    assert {renamed.get(it, it) for it in named(args, COMMON)} == set(settings.model_fields)


def test_every_setting_of_an_environment_is_an_argument():
    assert named(EnvironmentArgs, {"workloads", "kubeconfig", "settings"}) == set(Environment.model_fields)


@pytest.mark.parametrize(
    ("args", "strategy"),
    [
        (WorkloadArgs(), None),
        (WorkloadArgs(strategy="canary"), "canary"),
        (RollingArgs(after_checks=[]), {"rolling": {"checks": []}}),
        (BlueGreenArgs(auto_promote=False, keep="none"), {"blueGreen": {"autoPromote": False, "keep": "none"}}),
        (CanaryArgs(steps=[{"weight": 5}], step_checks=[]), {"canary": {"steps": [{"weight": 5}], "checks": []}}),
    ],
)  # fmt: skip
def test_a_strategy_is_given_as_a_stack_file_gives_it(args, strategy):
    block = args.block(Resolver("workload web"))
    assert block.get("strategy") == strategy
    assert Workload.model_validate(block)


def test_all_that_is_public_is_there_and_nothing_else():
    components = ("Access", "BlueGreen", "Canary", "Environment", "Rolling", "Workload")
    assert {"run", *components, *(f"{it}Args" for it in components)} <= {*pulumi_slipway.__all__}
    for name in pulumi_slipway.__all__:
        assert getattr(pulumi_slipway, name).__doc__
    with pytest.raises(AttributeError):
        pulumi_slipway.Environments  # noqa: B018
    with pytest.raises(AttributeError):
        pulumi_slipway.runArgs  # noqa: B018


def resolved(record, node, preview=False, **how):
    """The value, whether it is a secret, and what is unknown."""
    found = []

    def program():
        made = node() if callable(node) else node
        known = Resolver("workload web")
        found.append((known.value(made, "env", **how), known.secret, known.unknown))

    record(program, preview=preview)
    return found[0]


def test_outputs_are_waited_for_wherever_they_are(record):
    def node():
        return {
            "HOST": pulumi.Output.from_input("db").apply(lambda it: f"{it}.svc"),
            "PORTS": [pulumi.Output.from_input(1)],
        }

    assert resolved(record, node) == ({"HOST": "db.svc", "PORTS": [1]}, False, [])


def test_a_secret_output_makes_everything_in_its_block_count_as_hidden(record):
    assert resolved(record, lambda: {"KEY": pulumi.Output.secret("planted")}) == ({"KEY": "planted"}, True, [])


def unknown():
    return {"HOST": pulumi.Output(set(), _done("later"), _done(False), _done(False))}


async def _later(value):
    return value


def _done(value):
    import asyncio  # noqa: PLC0415

    return asyncio.ensure_future(_later(value))


def test_what_a_preview_cannot_know_is_told_by_its_path(record):
    assert resolved(record, unknown, preview=True) == ({"HOST": UNKNOWN}, False, ["env.HOST"])


def test_what_nothing_can_be_planned_without_is_refused(record):
    with pytest.raises(UserError, match=r"workload web: env\.HOST is known only once `pulumi up` has made"):
        resolved(record, unknown, preview=True, standing_in=False)


class Planner:
    """Plans nothing; keeps what it is asked for."""

    def __init__(self, hooks):
        self.before_write, self.asked = hooks, []

    def plan(self, workloads, run, *, whole):
        self.asked.append((dict(run.images), whole))
        return {} if run.only and not run.only & set(workloads) else dict.fromkeys(workloads, "planned")


@pytest.fixture
def environment(record, monkeypatch):
    """`environment(program)` runs it with an Environment that no cluster is asked for."""

    def of(program):
        def whole():
            hooks = BeforeWrite.of_the_program()
            monkeypatch.setattr(environments.Environment, "_asked", lambda self, known: Planner(hooks))
            program(environments.Environment("shop", EnvironmentArgs()))

        record(whole)

    return of


def test_an_image_without_a_name_is_for_one_workload_of_a_program(environment, monkeypatch):
    monkeypatch.setenv("SLIPWAY_IMAGE", "registry.example.com/app:1.0")

    def program(shop):
        assert shop.plan("web", RollingArgs(environment=shop)) == "planned"
        with pytest.raises(UserError, match=r"SLIPWAY_IMAGE: does not say whether it is for web or api"):
            shop.plan("api", RollingArgs(environment=shop))
        assert [images for images, _ in shop._planner.asked] == [{"web": "registry.example.com/app:1.0"}]

    environment(program)


def test_a_workload_that_a_run_is_not_for_and_that_is_not_there_yet_says_so(environment, monkeypatch):
    monkeypatch.setenv("SLIPWAY_WORKLOADS", "api")

    def program(shop):
        with pytest.raises(UserError, match="workload web: not deployed yet, and this run is for others"):
            shop.plan("web", RollingArgs(environment=shop))

    environment(program)


def test_a_workload_without_an_environment_is_refused_in_one_line(record):
    def program():
        with pytest.raises(
            pulumi.RunError, match=r"workload web: environment is missing: environment=Environment\(…\)"
        ):
            pulumi_slipway.Rolling("web", RollingArgs())

    record(program)


@pytest.mark.parametrize(
    "args",
    [
        lambda later: RollingArgs(replicas=later),
        lambda later: RollingArgs(port=later),
        lambda later: CanaryArgs(steps=[{"weight": later}], step_checks=[]),
    ],
    ids=["replicas", "port", "a step's weight"],
)
def test_a_number_that_a_preview_cannot_know_is_refused_with_the_reason(environment, args):
    def program(shop):
        with pytest.raises(UserError, match=r"workload web: .* is known only once `pulumi up` has made") as error:
            shop.plan("web", args(unknown()["HOST"]))
        assert UNKNOWN not in str(error.value)

    environment(program)


def test_so_is_a_namespace(record):
    def program():
        with pytest.raises(pulumi.RunError, match="environment shop: namespace is known only once"):
            environments.Environment("shop", EnvironmentArgs(namespace=unknown()["HOST"]))

    record(program)


@pytest.mark.parametrize(
    "name", ["replicas", "port", "progress_deadline", "pre_stop", "termination_grace", "keep_releases"]
)
def test_a_default_that_an_argument_tells_is_the_settings(name):
    source = inspect.getsource(RollingArgs.__mro__[1])
    told = re.search(rf'\n    {name}: .*\n    """.*?Default (\d+)\.', source)
    assert told
    assert int(told[1]) == Workload.model_fields[name].default
