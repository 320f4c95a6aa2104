"""The sandbox itself: what `up` promises, what `down` leaves, and what survives a crash."""

import base64
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import cgroups, supervision
from sandbox.paths import CHECKOUT, Paths
from sandbox.records import ProcessRecord, start_time
from tests.engine.harness import within
from tests.engine.strategies import soak

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a sandbox needs root")

# Its own for each test run, so that two checkouts may be tested side by side.
FIRST, SECOND = (Paths(f"t{os.getpid()}-{letter}") for letter in "ab")


def sandbox(paths: Paths, command: str, *arguments: str, timeout: float = 120) -> "subprocess.CompletedProcess[str]":
    full = [sys.executable, "-m", "sandbox", command, "--name", paths.name]
    full += ["--"] if command == "exec" else []
    full += arguments
    return subprocess.run(full, cwd=CHECKOUT, capture_output=True, text=True, timeout=timeout, check=False)


def up(paths: Paths) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    run = sandbox(paths, "up")
    assert run.returncode == 0, run.stderr
    return time.monotonic() - began


def pids(paths: Paths) -> dict[str, int]:
    return {name: daemon.pid for name, daemon in supervision.daemons(paths).items() if daemon.pid is not None}


def kubectl(paths: Paths, *arguments: str) -> str:
    run = sandbox(paths, "exec", "kubectl", *arguments)
    assert run.returncode == 0, run.stderr
    return run.stdout


def traces(paths: Paths) -> list[str]:
    """Everything on this machine that belongs to the sandbox, but for the images and logs that are kept."""
    found = [f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines() if paths.name in line]
    found += [f"cgroup {directory}" for directory in cgroups.directories(paths) if directory.exists()]
    found += [f"namespace {paths.netns}"] if paths.netns.exists() else []
    found += [f"file {paths.run}"] if paths.run.exists() else []
    found += [f"file {file}" for file in paths.state.glob("*") if file.name not in {"registry", "logs"}]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"/slipway/{paths.name}/" in command or f"sandbox.init {paths.name}" in command:
            found.append(f"process {process.name}: {command}")
    return found


def interfaces() -> set[str]:
    links = json.loads(subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, check=True).stdout)
    return {link["ifname"] for link in links if not link["ifname"].startswith("veth")}  # the pods' of tests beside it


def run_a_pod(paths: Paths) -> None:
    """With the pause image, which every node of the sandbox has."""
    kubectl(paths, "run", "probe", "--image=registry.k8s.io/pause:3.10", "--image-pull-policy=Never")
    kubectl(paths, "wait", "--for=condition=Ready", "pod/probe", "--timeout=30s")


@pytest.fixture(scope="module")
def first() -> Iterator[Paths]:
    """A sandbox that stands; a test that breaks it leaves the mending to the next `up`."""
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: sandbox(FIRST, "up"), range(2)))
    # Two at once: one starts it, the other waits and finds it standing.
    assert [run.returncode for run in runs] == [0, 0], runs
    assert sorted("already" in run.stdout for run in runs) == [False, True]
    yield FIRST
    sandbox(FIRST, "down", "--purge")


@pytest.fixture
def standing(first: Paths) -> Paths:
    up(first)
    return first


def test_up_on_a_standing_sandbox_changes_nothing_and_is_quick(standing: Paths) -> None:
    before = pids(standing)
    with within(2, "an up of a sandbox that stands"):
        up(standing)
    assert pids(standing) == before


def test_status_lists_every_component_and_fails_when_one_has_ended(standing: Paths) -> None:
    run = sandbox(standing, "status")
    assert run.returncode == 0, run.stdout
    daemons = pids(standing)
    assert all(name in run.stdout for name in daemons)
    os.kill(daemons["kube-scheduler"], signal.SIGKILL)
    run = sandbox(standing, "status")
    assert run.returncode == 1
    assert re.search(r"kube-scheduler .*ended with -9", run.stdout)


def test_status_of_a_sandbox_that_is_not_there_says_so() -> None:
    run = sandbox(Paths("nowhere"), "status")
    assert run.returncode == 1
    assert "down" in run.stdout


def test_exec_passes_on_the_exit_status_and_the_directory(standing: Paths) -> None:
    run = sandbox(standing, "exec", "sh", "-c", "pwd; exit 7")
    assert run.returncode == 7
    assert run.stdout.strip() == str(CHECKOUT)


def test_exec_leaves_no_process_between_the_caller_and_the_command(standing: Paths) -> None:
    command = [sys.executable, "-m", "sandbox", "exec", "--name", standing.name, "--", "sh", "-c", "echo $$; sleep 60"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == -signal.SIGTERM


def test_exec_of_an_unknown_command_is_one_line(standing: Paths) -> None:
    run = sandbox(standing, "exec", "no-such-command")
    assert run.returncode == 1
    assert run.stderr.strip().splitlines() == ["error: no-such-command: no such command on the sandbox's PATH"]


def test_exec_finds_the_tools_and_the_plugins_of_the_sandbox(standing: Paths) -> None:
    tools = ["kubectl", "helm", "pulumi"]
    hosts = ["pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python"]
    run = sandbox(standing, "exec", "sh", "-c", f"for tool in {' '.join(tools + hosts)}; do command -v $tool; done")
    assert run.returncode == 0
    assert [Path(line).name for line in run.stdout.split()] == tools + hosts
    listed = json.loads(sandbox(standing, "exec", "pulumi", "plugin", "ls", "--json").stdout)
    assert {it["name"] for it in listed} == {"kubernetes", "gitlab"}


def test_a_plugin_on_the_callers_path_is_what_the_engine_finds(
    standing: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official = tmp_path / "pulumi-resource-kubernetes"
    official.write_text("#!/bin/sh\necho official\n")
    official.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert sandbox(standing, "exec", "pulumi-resource-kubernetes").stdout == "official\n"


def test_secrets_are_readable_by_root_only(standing: Paths) -> None:
    secrets = [standing.kubeconfig, standing.gitlab_token, standing.pulumi_passphrase]
    secrets += [standing.docker_config / "config.json", *standing.pki.glob("*.key"), *standing.pki.glob("*.kubeconfig")]
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets} == {0o600}
    assert stat.S_IMODE(standing.state.stat().st_mode) == 0o700
    assert stat.S_IMODE(standing.run.stat().st_mode) == 0o700


def test_no_secret_is_in_an_argument_list_or_a_log(standing: Paths) -> None:
    auth = json.loads((standing.docker_config / "config.json").read_text())["auths"]["10.89.0.1:5000"]["auth"]
    password = base64.b64decode(auth).decode().partition(":")[2]
    token = standing.gitlab_token.read_text().strip()
    assert len(password) > 20
    assert len(token) > 20
    texts = {f"{name} arguments": Path(f"/proc/{pid}/cmdline").read_bytes() for name, pid in pids(standing).items()}
    texts |= {str(log): log.read_bytes() for log in standing.logs.glob("*.log")}
    for secret in (password, token, auth):
        assert [name for name, text in texts.items() if secret.encode() in text] == []


def test_prometheus_scrapes_a_pod_that_asks_for_it(standing: Paths) -> None:
    # Nothing listens there: what counts is that it was found, and asked.
    annotations = ["--annotations=prometheus.io/scrape=true", "--annotations=prometheus.io/port=9"]
    kubectl(standing, "run", "asks", "--image=registry.k8s.io/pause:3.10", "--image-pull-policy=Never", *annotations)
    query = "http://10.89.0.1:9090/api/v1/query?query=up"
    deadline = time.monotonic() + 30
    found: list[dict[str, dict[str, str]]] = []
    while not found and time.monotonic() < deadline:
        time.sleep(0.5)
        found = json.loads(sandbox(standing, "exec", "curl", "--silent", query).stdout)["data"]["result"]
    assert [(series["metric"]["pod"], series["metric"]["run"]) for series in found] == [("asks", "asks")]


@soak
def test_a_component_that_is_stuck_makes_up_start_anew(standing: Paths) -> None:
    before = pids(standing)
    os.kill(before["kube-scheduler"], signal.SIGSTOP)
    up(standing)
    assert not set(pids(standing).values()) & set(before.values())


def test_the_registry_wants_a_password_and_proves_itself_by_the_sandboxes_ca(standing: Paths) -> None:
    url = "https://10.89.0.1:5000/v2/"
    ask = ["curl", "--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}"]
    assert sandbox(standing, "exec", "sh", "-c", f"{' '.join(ask)} --cacert $SSL_CERT_FILE {url}").stdout == "401"
    unknown = sandbox(standing, "exec", *ask, "--cacert", "/etc/ssl/certs/ca-certificates.crt", url)
    assert unknown.returncode == 60  # the certificate isn't signed by anyone on the system's list


def test_nobody_gets_in_without_credentials_but_to_the_health_of_the_api_server(standing: Paths) -> None:
    ask = "curl --silent --cacert $SSL_CERT_FILE --write-out '%{http_code}' --output /dev/null https://10.89.0.1:"
    assert sandbox(standing, "exec", "sh", "-c", f"{ask}6443/readyz").stdout == "200"
    assert sandbox(standing, "exec", "sh", "-c", f"{ask}6443/api/v1/namespaces").stdout == "401"
    assert sandbox(standing, "exec", "sh", "-c", f"{ask}10250/pods").stdout == "401"


def test_there_is_no_way_out(standing: Paths) -> None:
    links = json.loads(sandbox(standing, "exec", "ip", "-json", "link").stdout)
    # The node's own bridge, and one end of a pair per pod, whose other end is in the pod.
    assert {re.sub(r"^veth.*", "veth", link["ifname"]) for link in links} <= {"lo", "node0", "veth"}
    route = json.loads(sandbox(standing, "exec", "ip", "-json", "route", "get", "192.0.2.1").stdout)
    assert [hop["dev"] for hop in route] == ["node0"]


def test_the_host_keeps_its_own_kernel_settings_and_directories(standing: Paths) -> None:
    own = {line.split()[1] for line in Path(f"/proc/{pids(standing)['kubelet']}/mounts").read_text().splitlines()}
    # What kubelet would set for the whole machine, and where daemons write at paths that cannot be set.
    assert {"/proc/sys/kernel/panic_on_oops", "/proc/sys/vm/overcommit_memory"} <= own
    assert {"/run", "/var/lib", "/var/log"} <= own
    seen_by_host = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    assert {mount for mount in seen_by_host if standing.name in mount} == {str(standing.netns)}


@pytest.mark.parametrize("killed", ["every daemon", "kubelet and containerd", "the first process"])
def test_up_recovers_after_a_kill_of(killed: str, standing: Paths) -> None:
    daemons = pids(standing)
    init = ProcessRecord.read(standing.init_record)
    assert init is not None
    victims: dict[str, Callable[[], list[int]]] = {
        "every daemon": lambda: list(daemons.values()),
        "kubelet and containerd": lambda: [daemons["kubelet"], daemons["containerd"]],
        "the first process": lambda: [init.pid],
    }
    for pid in victims[killed]():
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while any(start_time(pid) for pid in victims[killed]()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert up(standing) < 20
    assert not set(pids(standing).values()) & set(daemons.values())
    assert "Ready" in kubectl(standing, "get", "nodes")


def test_up_recovers_when_it_was_killed_half_way(first: Paths) -> None:
    sandbox(first, "down")
    command = [sys.executable, "-m", "sandbox", "up", "--name", first.name]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 20
        while "kube-apiserver" not in pids(first) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    assert "kube-proxy" not in pids(first)  # it had not got that far
    up(first)
    run_a_pod(first)


def test_an_up_that_is_interrupted_cleans_up_after_itself(first: Paths) -> None:
    sandbox(first, "down")
    command = [sys.executable, "-m", "sandbox", "up", "--name", first.name]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 20
        while "kube-apiserver" not in pids(first) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.terminate()
        assert process.wait(60) == 143
    assert traces(first) == []


def test_up_recovers_from_what_a_reboot_leaves_and_harms_no_stranger(first: Paths) -> None:
    sandbox(first, "down")
    with subprocess.Popen(["sleep", "60"]) as stranger:
        # The files of before the boot, with a pid that someone else has now; a namespace's name without a namespace.
        first.run.mkdir(parents=True)
        ticks = start_time(stranger.pid)
        assert ticks is not None
        ProcessRecord(stranger.pid, ticks, boot="an earlier one").write(first.init_record)
        first.netns.touch()
        (first.state / "etcd").mkdir()
        (first.state / "etcd" / "stale").write_text("of an earlier cluster")
        assert up(first) < 20
        assert not (first.state / "etcd" / "stale").exists()
        assert stranger.poll() is None
        stranger.kill()


@soak
def test_two_sandboxes_stand_side_by_side(standing: Paths) -> None:
    try:
        up(SECOND)
        kubectl(standing, "create", "namespace", "only-here")
        assert "only-here" not in kubectl(SECOND, "get", "namespaces")
        run_a_pod(SECOND)
        before = pids(standing)
    finally:
        assert sandbox(SECOND, "down", "--purge").returncode == 0
    assert traces(SECOND) == []
    assert not SECOND.state.exists()
    assert pids(standing) == before
    assert sandbox(standing, "status").returncode == 0


def test_down_leaves_nothing_behind(standing: Paths) -> None:
    before = interfaces()
    run_a_pod(standing)
    command = [sys.executable, "-m", "sandbox", "exec", "--name", standing.name, "--", "sleep", "300"]
    with subprocess.Popen(command, cwd=CHECKOUT) as shell:
        assert traces(standing)
        began = time.monotonic()
        assert sandbox(standing, "down").returncode == 0
        assert time.monotonic() - began < 10
        assert traces(standing) == []
        assert interfaces() <= before
        assert shell.wait(30) != 0
    assert sandbox(standing, "down").returncode == 0  # and again, when there is nothing


def test_a_name_that_could_reach_other_files_is_refused() -> None:
    command = [sys.executable, "-m", "sandbox", "down", "--name", "../etc"]
    run = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("error: --name '../etc'")
    assert len(run.stderr.strip().splitlines()) == 1
