"""Installs the Debian packages that the sandbox lacks."""

import os
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.versions import apt_packages

# Debian starts a package's daemon on installation unless this says no: the host must get no registry, no etcd.
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\nexit 101\n"
# Daemons are in the sbin directories, which a user's PATH may lack.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def which(executable: str) -> str | None:
    """The path of an executable, from a path or a name."""
    return shutil.which(executable, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def missing(*, tests: bool = False) -> list[str]:
    """Packages of which an executable is not there. Another build of it (Docker's containerd.io, say) is as good.

    `tests`: of what only tests need.
    """
    return [
        package for package, tools in apt_packages(tests=tests).items() if any(which(tool) is None for tool in tools)
    ]


def install(packages: list[str]) -> None:
    """apt-get, without starting any daemon; once installed, they are also not started by the next boot."""
    if shutil.which("apt-get") is None:
        raise SandboxError(f"not Debian: install the counterparts of these packages yourself: {' '.join(packages)}")
    with ExitStack() as cleanup:
        if not POLICY.exists():
            POLICY.write_text(POLICY_TEXT)
            POLICY.chmod(0o755)
            cleanup.callback(POLICY.unlink)
        _apt("update")
        _apt("install", "--no-install-recommends", "-y", *packages)
    if Path("/run/systemd/system").exists():
        units = [f"{name}.service" for name in ("etcd", "containerd", "docker-registry", "prometheus")]
        chosen = [unit for unit in units if unit.removesuffix(".service") in " ".join(packages)]
        subprocess.run(["systemctl", "disable", "--quiet", *chosen], check=False, capture_output=True)


def _apt(*arguments: str) -> None:
    # Another apt may be at work on a fresh machine: wait for its lock.
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *arguments]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run = subprocess.run(
        command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, check=False
    )
    if run.returncode != 0:
        reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SandboxError(f"apt-get {' '.join(arguments)} failed: {reason}")
