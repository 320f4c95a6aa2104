"""Starts a fresh cluster, and knows whether one stands."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for_all
from pathlib import Path

from sandbox import cgroups, configuration, health, images, network, supervision, teardown
from sandbox.components import Component, components
from sandbox.errors import SandboxError
from sandbox.packages import which
from sandbox.paths import API_SERVICE_IP, NODE_NAME, Paths
from sandbox.shell import install_tools

PATIENCE = 90.0
"""Seconds for all daemons to become healthy. A cold, busy machine takes 20."""

SECOND_THOUGHTS = 10.0
"""Seconds in which a daemon that runs must show itself healthy before `up` makes everything anew."""

# Prometheus' targets are found by a user who may only read pods.
DISCOVERY_ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: slipway-sandbox-pod-discovery}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: slipway-sandbox-pod-discovery}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: slipway-sandbox-pod-discovery}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: "slipway:pod-discovery"}]
"""


def stands(paths: Paths, tools: dict[str, Path]) -> bool:
    """Every component runs and is healthy. Moves the calling process into the sandbox's network namespace."""
    running = supervision.daemons(paths)
    wanted = components(paths, tools)
    if {part.name for part in wanted} != set(running) or any(daemon.pid is None for daemon in running.values()):
        return False
    if any(running[part.name].executable != Path(part.argv[0]).resolve() for part in wanted if part.name in tools):
        return False  # another version is wanted now
    network.enter(paths)
    # A busy machine may keep an answer waiting: a cluster with someone's work in it isn't thrown away for that.
    deadline = time.monotonic() + SECOND_THOUGHTS
    with ThreadPoolExecutor(len(wanted)) as pool:
        while not all(pool.map(lambda part: part.healthy(), wanted)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
    return True


def start(paths: Paths, tools: dict[str, Path], report: Callable[[str], None]) -> None:
    """Removes what is left of an earlier one and brings up a new cluster; `report` is told what is ready.

    Moves the calling process into the sandbox's network namespace. On failure nothing is left but the logs.
    """
    teardown.remove(paths)
    try:
        _Start(paths, tools, report).run()
    except BaseException:
        # The namespace that this process is in goes with it; only the name is removed now.
        teardown.remove(paths)
        raise


class _Start:
    def __init__(self, paths: Paths, tools: dict[str, Path], report: Callable[[str], None]) -> None:
        self.paths = paths
        self.tools = tools
        self.report = report
        self.deadline = time.monotonic() + PATIENCE
        self.api_ready = threading.Event()
        self.failed = threading.Event()

    def run(self) -> None:
        paths = self.paths
        for directory in (paths.state.parent, paths.state, paths.run.parent, paths.run):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)
        paths.logs.mkdir(exist_ok=True)
        for log in paths.logs.glob("*.log"):
            log.unlink()
        shutil.rmtree(paths.logs / "pods", ignore_errors=True)
        network.create(paths)
        cgroups.create(paths)
        configuration.write_all(paths)
        install_tools(paths, self.tools)
        supervision.start_init(paths)
        network.enter(paths)
        network.set_up_routing()
        parts = components(paths, self.tools)
        # All that can, starts at once.
        steps: list[Callable[[], None]] = [lambda part=part: self.bring_up(part) for part in parts]  # type: ignore[misc]
        steps += [self.finish_cluster]
        run_at_once(steps, self.failed)

    def bring_up(self, part: Component) -> None:
        if part.needs_api:
            self.wait("kube-apiserver to answer", self.api_ready.is_set)
        supervision.start(self.paths, part)
        self.wait(part.name, part.healthy, part)
        if part.name == "kube-apiserver":
            self.api_ready.set()
        if part.name == "containerd":
            self.import_pause()
        self.report(part.name)

    def import_pause(self) -> None:
        archive = images.pause_archive(self.paths.state / "pause.tar")
        command = [which("ctr") or "ctr", "--address", str(self.paths.containerd_socket), "--namespace", "k8s.io"]
        self.wait("containerd to take an image", lambda: _succeeds([*command, "images", "import", str(archive)]))

    def finish_cluster(self) -> None:
        """What must hold besides each daemon's health before a user's first pod and Service work."""
        self.wait("kube-apiserver to answer", self.api_ready.is_set)
        self.wait("roles to be made", lambda: self.kubectl("apply", "--filename", "-", stdin=DISCOVERY_ROLE))
        self.wait("the node to be Ready", self.node_ready)
        self.wait("the first service account", lambda: self.kubectl("get", "serviceaccount", "default"))
        self.wait("Services to be routed", lambda: health.tcp(API_SERVICE_IP, 443))
        self.report("node")

    def node_ready(self) -> bool:
        query = ["get", "--raw", f"/api/v1/nodes/{NODE_NAME}"]
        run = self.kubectl_run(query)
        conditions = json.loads(run.stdout)["status"]["conditions"] if run.returncode == 0 else []
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    def kubectl(self, *arguments: str, stdin: str = "") -> bool:
        return self.kubectl_run(list(arguments), stdin).returncode == 0

    def kubectl_run(self, arguments: list[str], stdin: str = "") -> "subprocess.CompletedProcess[str]":
        command = [str(self.tools["kubectl"]), "--kubeconfig", str(self.paths.kubeconfig), *arguments]
        environment = {"HOME": str(self.paths.state), "PATH": os.defpath}
        command += ["--request-timeout", "5s"]  # what hangs is asked again, and an interrupted `up` is not held by it
        return subprocess.run(command, input=stdin, capture_output=True, text=True, env=environment, check=False)

    def wait(self, what: str, condition: Callable[[], bool], part: Component | None = None) -> None:
        """Until `condition` holds; fails when the time is up, another step failed, or `part` has ended."""
        while not condition():
            if self.failed.is_set():
                raise Cancelled(what)
            if part is not None:
                daemon = supervision.daemons(self.paths).get(part.name)
                if daemon is None or daemon.exit is not None:
                    raise SandboxError(f"{part.name} ended: {self.last_words(part.name)}")
            if time.monotonic() > self.deadline:
                said = f": {self.last_words(part.name)}" if part else ""
                raise SandboxError(f"waited {PATIENCE:.0f} s for {what}{said} (logs: {self.paths.logs})")
            time.sleep(0.05)

    def last_words(self, name: str) -> str:
        log = self.paths.logs / f"{name}.log"
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        return f"{lines[-1][:300] if lines else 'it said nothing'} (see {log})"


class Cancelled(Exception):
    """Another step has failed; that one's error is the one to show."""


def run_at_once(steps: Collection[Callable[[], None]], failed: threading.Event) -> None:
    """Runs each step in a thread. The first failure, or a signal at any moment, sets `failed`, for the others to end.

    Raises the failure that came first, not that of a step that ended for it (`Cancelled`).
    """

    def guarded(step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(len(steps)) as pool:
        try:  # a signal may come while they are being started, too: leaving the pool would wait for a whole start
            jobs = [pool.submit(guarded, step) for step in steps]
            wait_for_all(jobs)
        except BaseException:
            failed.set()
            raise
    errors = [error for job in jobs if (error := job.exception())]
    if errors:
        raise next((error for error in errors if not isinstance(error, Cancelled)), errors[0])


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0
    except subprocess.TimeoutExpired:
        return False
