"""Reading the settings as the engine hands them over."""

import json
from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest
from pulumi.runtime import config

from pulumi_slipway.settings import SettingsError
from pulumi_slipway.settings.load import load


@pytest.fixture(autouse=True)
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in ("SLIPWAY_IMAGE", "SLIPWAY_ACTION"):
        monkeypatch.delenv(name, raising=False)
    before = config.CONFIG.get(), config._SECRET_KEYS.get()
    monkeypatch.setattr(pulumi, "get_stack", lambda: "staging")
    yield
    config.CONFIG.set(before[0])
    config._SECRET_KEYS.set(before[1])


def hand_over(secret: tuple[str, ...] = (), **blocks: object) -> None:
    text = {f"slipway:{key}": it if isinstance(it, str) else json.dumps(it) for key, it in blocks.items()}
    config.set_all_config({**text, "other:key": "x"}, [f"slipway:{key}" for key in secret])


def test_structured_blocks_come_as_json() -> None:
    hand_over(environment={"name": "staging"}, workloads={"web": {"port": 8080}})
    settings = load()
    assert settings.environment is not None
    assert (settings.environment.namespace, settings.workloads["web"].port) == ("staging", 8080)


def test_a_secret_within_a_block_comes_decrypted() -> None:
    hand_over(("workloads",), environment={"name": "a"}, workloads={"web": {"secretEnv": {"KEY": "planted-secret"}}})
    Path("Pulumi.staging.yaml").write_text("config: {slipway:workloads: {web: {secretEnv: {KEY: {secure: v1:abc}}}}}")
    value = load().workloads["web"].secret_env["KEY"]
    assert getattr(value, "get_secret_value")() == "planted-secret"  # noqa: B009


@pytest.mark.parametrize("key", ["context", "kubeconfig", "namespace", "enableServerSideApply"])
def test_what_would_choose_the_cluster_elsewhere_is_refused_by_its_key(key: str) -> None:
    config.set_all_config({"slipway:environment": "{}", f"kubernetes:{key}": "prod"}, [])
    with pytest.raises(SettingsError) as caught:
        load()
    (line,) = str(caught.value).splitlines()
    assert line.startswith(
        f"Pulumi.staging.yaml: kubernetes:{key}: is not read here: the cluster is the current context"
    )
    assert "prod" not in line


def test_an_empty_block_is_told() -> None:
    hand_over(environment="", workloads={})
    with pytest.raises(SettingsError, match=r"slipway:environment: is missing; slipway:workloads needs it"):
        load()


def test_a_block_that_is_plain_text_is_told() -> None:
    hand_over(environment="staging", workloads="myapp")
    with pytest.raises(SettingsError) as caught:
        load()
    assert len(str(caught.value).splitlines()) == 2


def test_a_misspelt_block_is_told() -> None:
    hand_over(environments={"name": "staging"})
    with pytest.raises(SettingsError, match=r"slipway:environments: is not a setting; did you mean environment\?"):
        load()


def test_no_block_at_all_is_told() -> None:
    hand_over()
    with pytest.raises(SettingsError, match="the stack: has no block; give slipway:access, or slipway:environment and"):
        load()


def test_the_stack_is_named_where_its_file_is_another() -> None:
    hand_over(access={"scope": "x"})
    with pytest.raises(SettingsError, match=r"^stack staging: slipway:access\.scope"):
        load()


def test_the_file_is_named_where_it_is_the_stacks_own() -> None:
    Path("Pulumi.staging.yaml").write_text("config: {}")
    hand_over(access={"scope": "x"})
    with pytest.raises(SettingsError, match=r"^Pulumi\.staging\.yaml: slipway:access\.scope"):
        load()
