"""Each wrong setting gives one line: where, what it got, what is allowed; and never a secret."""

from typing import Any

import pytest
import yaml

from pulumi_slipway.settings import SettingsError, parse
from tests.wrong_configurations import SECRET, WRONG, Wrong


def told(config: str, environ: dict[str, str] | None = None, sealed: tuple[str, ...] = ()) -> list[str]:
    given = yaml.safe_load(config) or {}
    blocks = {key.removeprefix("slipway:"): _decrypted(value) for key, value in given.items() if "slipway:" in key}
    text = yaml.safe_dump({"config": given})
    with pytest.raises(SettingsError) as caught:
        parse(blocks, environ or {}, file="Pulumi.staging.yaml", text=text, sealed=sealed)
    return str(caught.value).splitlines()


def _decrypted(node: Any) -> Any:
    if isinstance(node, dict):
        return node["secure"] if set(node) == {"secure"} else {key: _decrypted(value) for key, value in node.items()}
    return [_decrypted(item) for item in node] if isinstance(node, list) else node


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.id)
def test_a_wrong_setting_is_told_in_one_line(wrong: Wrong) -> None:
    lines = told(wrong.config, dict(wrong.environ))
    assert len([line for line in lines if line.startswith(wrong.line)]) == 1, lines
    assert SECRET not in "".join(lines)


def test_one_mistake_is_one_line() -> None:
    # Those that are followed by a second are wrong in two ways themselves.
    several = {wrong.id: told(wrong.config, dict(wrong.environ)) for wrong in WRONG}
    assert {id for id, lines in several.items() if len(lines) > 1} == {
        "registry-password-under-a-misspelt-key",  # the right key is missing
        "secret-misspelt",
    }


def test_all_mistakes_are_told_at_once() -> None:
    lines = told(
        """
        slipway:environment: {name: Staging}
        slipway:workloads:
          a: {replicas: three, preStop: 1m, autoscaler: {max: 1}}
          b: {prot: 1, resources: {limits: {cpu: 1m}}}
        slipway:access: {token: {expiration: 1d, renewBefore: 2d}, environments: {x: {tier: y}}}
        """,
        {"SLIPWAY_ACTION": "undo"},
    )
    assert [line.partition(": got")[0].removeprefix("Pulumi.staging.yaml: ") for line in lines] == [
        "slipway:access.token.renewBefore",
        "slipway:access.environments.x.tier",
        "slipway:environment.name",
        "slipway:workloads.a.replicas",
        "slipway:workloads.a.terminationGrace: has the default 30; must be more than preStop (1m), else a pod is "
        "killed while it waits",
        "slipway:workloads.a.autoscaler.max",
        "slipway:workloads.b.resources.limits.cpu",
        "slipway:workloads.b.prot: is not a setting; did you mean port?",
        "SLIPWAY_ACTION",
    ]


def test_a_long_value_is_cut() -> None:
    (line,) = told(f"slipway:access: {{scope: {'x' * 500}, environments: {{a: {{}}}}}}")
    assert "x" * 50 in line
    assert "x" * 61 not in line


def test_a_value_on_several_lines_stays_on_one() -> None:
    (line,) = told('slipway:access: {environments: {a: {}}, caPem: "-----BEGIN RSA PRIVATE KEY-----\\nabc"}')
    assert r"\nabc" in line


def test_a_key_with_dots_is_told_as_pulumi_takes_it() -> None:
    (line,) = told('slipway:environment: {name: a, labels: {example.com/team: "a b"}}\nslipway:workloads: {}')
    assert 'slipway:environment.labels["example.com/team"]: got "a b"' in line


ACCESS = "slipway:access: {environments: {a: {tier: {secure: planted-secret}}}, scope: planted-secret}"


def test_what_is_encrypted_in_the_stack_file_is_not_shown_wherever_it_stands() -> None:
    tier, scope = sorted(told(ACCESS, sealed=("access",)), key=lambda line: "tier" not in line)
    assert "tier: got a value that is not shown; must be production" in tier
    assert 'scope: got "planted-secret"; must be' in scope  # this one stands in the file for all to read


def test_nothing_of_an_encrypted_block_is_shown_when_its_file_is_another() -> None:
    blocks = {"access": {"environments": {"a": {"tier": "planted-secret"}}, "scope": "planted-secret"}}
    for text in (None, "config: {slipway:access: {scope: namespace}}", "config: [", "config: {slipway:access: 1}"):
        with pytest.raises(SettingsError) as caught:
            parse(blocks, {}, file="stack review-1", text=text, sealed=("access",))
        assert str(caught.value).count("got a value that is not shown") == 2
        assert SECRET not in str(caught.value)


def test_a_setting_holds_secrets_so_that_they_are_not_printed() -> None:
    blocks = {
        "access": {
            "gitlab": {"project": "a/b"},
            "registry": {"server": "r.example.com", "username": "u", "password": SECRET},
            "environments": {"a": {"variables": {"API_KEY": SECRET}}},
        },
        "environment": {"name": "a"},
        "workloads": {"web": {"secretEnv": {"API_KEY": SECRET}}},
    }
    settings = parse(blocks, {}, file="f")
    assert SECRET not in repr(settings)
    assert settings.access is not None
    assert settings.access.environments["a"].variables["API_KEY"].get_secret_value() == SECRET


@pytest.mark.parametrize("value", ["short", "two words are no", "two\nlines-are-no", "", "a\tb-c-d-e-f"])
def test_a_variable_that_gitlab_can_not_mask_is_refused_and_not_shown(value: str) -> None:
    blocks = {"access": {"gitlab": {"project": "a/b"}, "environments": {"a": {"variables": {"API_KEY": value}}}}}
    with pytest.raises(SettingsError) as caught:
        parse(blocks, {}, file="f")
    path = "f: slipway:access.environments.a.variables.API_KEY"
    assert str(caught.value) == (
        f"{path}: got a value that is not shown; must be 8 or more characters on one line without a blank, else GitLab "
        "can not mask it"
    )


def test_variables_need_a_gitlab_project() -> None:
    (line,) = told("slipway:access: {environments: {a: {variables: {API_KEY: {secure: longenough}}}}}")
    assert line.endswith("slipway:access.environments.a.variables: needs `gitlab: {project: …}` to put them into")


def test_workloads_to_promote_without_where_from_are_told() -> None:
    (line,) = told("slipway:access: {environments: {a: {promoteWorkloads: [web]}}}")
    assert "environments.a.promoteWorkloads" in line
    assert "add promoteFrom" in line
