"""The network namespace of a sandbox: one bridge device that is the node, and no way out."""

import contextlib
import subprocess

from sandbox import linux
from sandbox.errors import SandboxError
from sandbox.packages import which
from sandbox.paths import NODE_IP, Paths

# The node's address sits on a bridge of its own, which carries the default route too: a Service's address must be
# routable before it is translated, and whatever isn't translated ends there. (`type dummy` lacks on some kernels.)
DEVICES = f"""\
link set lo up
link add node0 type bridge
addr add {NODE_IP}/24 dev node0
link set node0 up
route add default dev node0
"""
SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/disable_ipv6": "1",
    # A client with a new connection for each request keeps a port for each, a minute long: the default 28,000 are used
    # up by 500 requests a second, and the client's own failure would look like the release's.
    "net/ipv4/ip_local_port_range": "15000 65535",
    # A port that met a dead pod must not meet it again two minutes later: that would count one loss many times.
    "net/netfilter/nf_conntrack_tcp_timeout_syn_sent": "10",
}


def create(paths: Paths) -> None:
    """Makes the namespace and its devices."""
    _ip("netns", "add", paths.namespace)
    _ip("-netns", paths.namespace, "-batch", "-", stdin=DEVICES)


def enter(paths: Paths) -> None:
    """Moves the calling thread, and those that it starts, into the namespace."""
    linux.enter_network(paths.netns)


def set_up_routing() -> None:
    """Sets the namespace's own sysctls; for a caller who has entered it."""
    for name, value in SYSCTLS.items():
        with contextlib.suppress(FileNotFoundError), open(f"/proc/sys/{name}", "w") as file:  # a kernel that lacks one
            file.write(value)


def remove(paths: Paths) -> None:
    """Takes the name away, with or without a namespace behind it; its devices go when its last process is gone."""
    if paths.netns.exists():
        subprocess.run(["umount", "--lazy", str(paths.netns)], check=False, capture_output=True)
        paths.netns.unlink(missing_ok=True)


def _ip(*arguments: str, stdin: str = "") -> None:
    ip = which("ip") or "ip"
    run = subprocess.run([ip, *arguments], input=stdin, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise SandboxError(f"ip {' '.join(arguments)}: {run.stderr.strip()}")
