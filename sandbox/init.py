"""The first process of a sandbox: starts its daemons, and takes them all with it.

It is PID 1 of a PID namespace, so killing it makes the kernel kill every daemon, shim and container of the sandbox,
and its mount namespace holds all that containerd and kubelet mount, so their mounts go too. Nothing needs hunting down
after a crash. It answers one JSON line per connection on `Paths.init_socket`:
{"start": {name, argv, env, log}} -> {} and {"list": true} -> {"processes": [{name, pid, exit}]}, pids as seen inside.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from sandbox import linux
from sandbox.paths import NODE_IP, NODE_NAME, Paths
from sandbox.records import ProcessRecord

# kubelet sets these for the whole machine when they differ. It is shown files that already hold what it wants, so that
# the host keeps its own (else a sandbox would make a developer's machine reboot after a kernel oops).
KERNEL_SETTINGS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}


def isolate_files(paths: Paths) -> None:
    """Hides the host's /run, /var/log and changes below /var/lib, where daemons have paths that cannot be set."""
    linux.mount("none", Path("/"), flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("proc", Path("/proc"), "proc")
    own_run, own_state = os.open(paths.run, os.O_PATH), os.open(paths.state, os.O_PATH)
    linux.mount("tmpfs", Path("/run"), "tmpfs", options="mode=755")
    paths.run.mkdir(parents=True)
    linux.mount(f"/proc/self/fd/{own_run}", paths.run, flags=linux.MS_BIND)

    layers = Path("/run/var-lib")
    (layers / "upper").mkdir(parents=True)
    (layers / "work").mkdir()
    options = f"lowerdir=/var/lib,upperdir={layers}/upper,workdir={layers}/work"
    linux.mount("overlay", Path("/var/lib"), "overlay", options=options)
    linux.mount(f"/proc/self/fd/{own_state}", paths.state, flags=linux.MS_BIND)
    os.close(own_run)
    os.close(own_state)

    linux.mount("tmpfs", Path("/var/log"), "tmpfs", options="mode=755")
    # There is no name server to ask: who looks for the node's own name (Prometheus does) would wait for 10 s.
    for name, content in {"hosts": f"127.0.0.1 localhost\n{NODE_IP} {NODE_NAME}\n", "resolv.conf": ""}.items():
        shown, hidden = Path("/run") / name, Path("/etc") / name
        shown.write_text(content)
        if hidden.exists():  # else it was a link into the host's /run
            linux.mount(str(shown), hidden, flags=linux.MS_BIND)
    settings = Path("/run/kernel-settings")
    settings.mkdir()
    for name, value in KERNEL_SETTINGS.items():
        shown = settings / name.replace("/", ".")
        shown.write_text(f"{value}\n")
        linux.mount(str(shown), Path("/proc/sys") / name, flags=linux.MS_BIND)


class Init:
    """Starts and reaps; keeps what became of each daemon."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.exits: dict[int, int] = {}

    def start(self, name: str, argv: list[str], env: dict[str, str], log: str) -> None:
        pid = os.posix_spawn(
            argv[0],
            argv,
            env,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigdef=[signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM],
        )
        self.names[pid] = name

    def reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid in self.names:  # the others are orphans of shims and of containers
                    self.exits[pid] = os.waitstatus_to_exitcode(status)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "start" in request:
            try:
                self.start(**request["start"])
            except OSError as error:
                return {"error": str(error)}
            return {}
        self.reap()
        return {
            "processes": [{"name": name, "pid": pid, "exit": self.exits.get(pid)} for pid, name in self.names.items()]
        }

    def serve(self, listener: socket.socket) -> None:
        """Runs until it is killed."""
        woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector = selectors.DefaultSelector()
        selector.register(listener, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == woken:
                    os.read(woken, 4096)
                    self.reap()
                    continue
                connection, _ = listener.accept()
                with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rw") as stream:
                    connection.settimeout(5)
                    stream.write(json.dumps(self.answer(json.loads(stream.readline()))) + "\n")


def main(name: str) -> None:
    """Enters the sandbox's namespaces, records the first process for the outside, and serves as it."""
    paths = Paths(name)
    linux.enter_network(paths.netns)
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC)
    recorded, record = os.pipe()
    pid = os.fork()
    if pid:
        ProcessRecord.of(pid).write(paths.init_record)
        os.write(record, b"1")
        os._exit(0)
    os.close(record)
    if not os.read(recorded, 1):  # the parent died before anyone could know of us
        os._exit(1)
    os.close(recorded)
    os.setsid()
    os.chdir("/")
    linux.set_hostname(NODE_NAME)
    isolate_files(paths)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(paths.init_socket))
        listener.listen(32)
        Init().serve(listener)


if __name__ == "__main__":
    main(sys.argv[1])
