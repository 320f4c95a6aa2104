"""The parts of the sandbox that need no cluster: estimates, plugin search, scrape targets, process records."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube.models.core_v1 import Pod, PodStatus
from lightkube.models.meta_v1 import ObjectMeta

from sandbox import official, packages, tools, versions, wheels
from sandbox.discovery import target, write
from sandbox.errors import SandboxError
from sandbox.paths import Paths
from sandbox.records import ProcessRecord
from sandbox.startup import Cancelled, run_at_once
from sandbox.timeleft import TimeLeft


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_before_anything_is_done_the_time_left_is_what_was_expected() -> None:
    left = TimeLeft({"a": 60, "b": 30}, Clock())
    assert left.seconds() == 90


def test_a_machine_twice_as_slow_as_expected_doubles_the_time_left() -> None:
    clock = Clock()
    left = TimeLeft({"a": 60, "b": 30}, clock)
    left.start("a")
    clock.now += 120
    assert left.finish("a") == 120
    assert left.seconds() == pytest.approx(60)
    assert (left.finished, left.running) == (["a"], [])


def test_the_share_of_a_running_task_counts() -> None:
    clock = Clock()
    left = TimeLeft({"a": 100}, clock)
    left.start("a")
    clock.now += 50
    left.advance("a", 0.25)
    assert left.seconds() == pytest.approx(150)
    assert left.share_done() == pytest.approx(0.25)


def test_a_download_that_took_a_moment_says_nothing_of_how_long_a_build_takes() -> None:
    clock = Clock()
    left = TimeLeft({"download": 30, "build": 300}, clock, beside=["download"])
    left.start("download")
    clock.now += 1
    left.finish("download")
    assert left.seconds() == 300
    left.start("build")
    clock.now += 60
    left.advance("build", 0.1)
    assert left.seconds() == pytest.approx(540), "half as fast as expected"


@given(st.lists(st.floats(0, 3), max_size=20), st.floats(0, 1000))
def test_the_time_left_is_never_negative_and_a_running_task_never_done(shares: list[float], passed: float) -> None:
    clock = Clock()
    left = TimeLeft({"a": 40, "b": 10}, clock)
    left.start("a")
    clock.now += passed
    for share in shares:
        left.advance("a", share)
        assert left.seconds() >= 10 * min(1, passed / 50)
        assert left.running == ["a"]


def pod(phase: str = "Running", ip: str | None = "10.244.0.7", **annotations: str) -> Pod:
    names = {name.replace("_", "/", 1): value for name, value in annotations.items()}
    metadata = ObjectMeta(name="app-1", namespace="shop", annotations=names, labels={"app.kubernetes.io/name": "app"})
    return Pod(metadata=metadata, status=PodStatus(phase=phase, podIP=ip))


ANNOTATED = {"prometheus.io_scrape": "true", "prometheus.io_port": "3000"}


def test_an_annotated_pod_is_scraped_under_its_labels() -> None:
    assert target(pod(**ANNOTATED, **{"prometheus.io_path": "/m"})) == {
        "targets": ["10.244.0.7:3000"],
        "labels": {"app_kubernetes_io_name": "app", "namespace": "shop", "pod": "app-1", "__metrics_path__": "/m"},
    }


@pytest.mark.parametrize(
    "other",
    [
        pod(),
        pod(**{"prometheus.io_scrape": "true"}),
        pod(**(ANNOTATED | {"prometheus.io_scrape": "false"})),
        pod(**(ANNOTATED | {"prometheus.io_port": "http"})),
        pod(phase="Pending", **ANNOTATED),
        pod(ip=None, **ANNOTATED),
    ],
)
def test_a_pod_without_its_annotations_or_not_running_is_not_scraped(other: Pod) -> None:
    assert target(other) is None


def test_targets_are_replaced_whole_and_only_when_they_change(tmp_path: Path) -> None:
    file = tmp_path / "pods.json"
    entry = target(pod(**ANNOTATED))
    assert entry is not None
    write([entry], file)
    written = file.stat()
    os.utime(file, (0, 0))
    write([entry], file)
    assert file.stat().st_ino == written.st_ino  # Prometheus has nothing to read anew
    assert file.stat().st_mtime > 0  # but it is a sign of life
    write([], file)
    assert json.loads(file.read_text()) == []


def executable(file: Path, script: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))


@pytest.mark.parametrize(
    ("said", "used"), [("v3.238.0", True), ("v3.300.1", True), ("v3.237.9", False), ("v2.99.0", False), ("", False)]
)
def test_an_installed_engine_is_used_if_it_is_new_enough(
    said: str, used: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = next(source for source in tools.sources() if source.name == "pulumi")
    own = {command: executable(tmp_path / "bin" / command, f"echo {said}") for command in engine.makes}
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert tools.locate() == (own if used else {})
    own["pulumi-language-python"].unlink()
    assert tools.locate() == {}, "an engine without its hosts runs nothing"


def test_a_built_tool_is_found_by_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    kubectl = next(wheel for wheel in versions.wheels() if wheel.name == "kubectl")
    place = wheels.directory(kubectl)
    executable(place.with_name("kubectl-0.0.1") / "helm")
    executable(place / "helm")
    assert tools.locate() == {}, "another version, and half of this one"
    executable(place / "kubectl")
    assert tools.locate() == {"kubectl": place / "kubectl", "helm": place / "helm"}


def test_every_module_is_pinned_and_its_version_is_what_its_commands_will_say() -> None:
    for module in versions.go_modules():
        assert (module.provider_version or module.version) in module.ldflags
        assert module.commands
        assert module.seconds > 0


def test_a_package_is_missing_when_one_of_its_executables_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    executable(tmp_path / "one-of-two")
    monkeypatch.setenv("PATH", str(tmp_path))
    known = {"there": ["one-of-two", "sh"], "not-there": ["one-of-two", "no-such-tool"]}
    monkeypatch.setattr(packages, "apt_packages", lambda *, tests: known)
    assert packages.missing() == ["not-there"]


def test_a_plugin_is_found_where_pulumi_installs_it_in_the_version_of_its_package(tmp_path: Path) -> None:
    version = official.wanted_version("gitlab")
    by_pulumi = tmp_path / "pulumi" / "plugins" / f"resource-gitlab-v{version}"
    gitlab = executable(by_pulumi / "pulumi-resource-gitlab")
    executable(by_pulumi.with_name("resource-kubernetes-v0.0.1") / "pulumi-resource-kubernetes")
    caller = {"PULUMI_HOME": str(tmp_path / "pulumi")}
    assert official.find("gitlab", caller) == gitlab
    assert official.find("kubernetes", caller) is None


def test_the_provider_that_is_built_is_the_one_that_the_python_package_asks_for() -> None:
    module = next(module for module in versions.go_modules() if module.provider)
    assert module.provider_version == official.wanted_version(str(module.provider))


def test_a_plugin_that_cannot_be_installed_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    pulumi = executable(tmp_path / "pulumi-engine", "echo no route >&2; exit 1")
    assert list(official.missing({})) == ["kubernetes", "gitlab"]
    assert not official.try_to_install("gitlab", pulumi)
    assert list(official.missing({})) == ["kubernetes"]


def test_a_record_of_an_earlier_boot_or_of_a_reused_pid_is_nobody(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        record = ProcessRecord.of(process.pid)
        assert record.alive()
        for stranger in (
            ProcessRecord(record.pid, record.started, "another boot"),
            ProcessRecord(record.pid, record.started - 1, record.boot),
        ):
            assert not stranger.alive()
            assert stranger.kill()
        assert process.poll() is None
        assert record.kill()
        assert process.wait() == -9


def test_a_torn_record_is_no_record(tmp_path: Path) -> None:
    file = tmp_path / "init.json"
    ProcessRecord.of(os.getpid()).write(file)
    assert ProcessRecord.read(file) == ProcessRecord.of(os.getpid())
    file.write_text(file.read_text()[:-5])
    assert ProcessRecord.read(file) is None
    assert ProcessRecord.read(tmp_path / "missing") is None


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "A", "-a", "a b", "a" * 32, "9a"])
def test_a_name_that_is_no_plain_word_is_refused(name: str) -> None:
    with pytest.raises(SandboxError, match="--name"):
        Paths(name)


class Steps(list[Callable[[], None]]):
    """During whose start a signal comes."""

    def __iter__(self) -> Iterator[Callable[[], None]]:
        yield self[0]
        raise SystemExit(143)


def test_a_signal_while_the_steps_of_a_start_are_being_started_ends_those_that_run() -> None:
    failed = threading.Event()
    ended_by_it: list[bool] = []
    with pytest.raises(SystemExit):
        run_at_once(Steps([lambda: ended_by_it.append(failed.wait(20)), lambda: None]), failed)
    assert ended_by_it == [True]


def test_the_first_failure_of_a_start_is_the_one_that_is_told() -> None:
    failed = threading.Event()

    def follows() -> None:
        failed.wait(20)
        raise Cancelled("etcd")

    def fails() -> None:
        raise SandboxError("no room for etcd")

    with pytest.raises(SandboxError, match="no room"):
        run_at_once([follows, fails], failed)
