"""A plugin is up soon and gone with its engine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

BIN = Path(__file__).parents[2] / "sandbox" / "plugins" / "bin"
PLUGINS = sorted(each.name for each in BIN.iterdir() if each.name.startswith("pulumi-"))

# Stands for the engine: starts the plugin as a shell starts a background job (SIGINT ignored), tells its pid, sleeps.
ENGINE = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
plugin = subprocess.Popen([sys.argv[1], "127.0.0.1:1"], stdout=subprocess.PIPE, restore_signals=False)
print(plugin.pid, plugin.stdout.readline().decode().strip(), flush=True)
time.sleep(60)
"""


def started(plugin):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("PYTHONUNBUFFERED", None)  # with it a plugin that keeps its port to itself would pass
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, BIN / plugin], stdout=subprocess.PIPE, text=True, env=environment
    )
    pid, port = engine.stdout.readline().split()
    assert port.isdecimal(), "the first line is the port"
    return engine, int(pid)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone_within(pid, seconds):
    deadline = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_running(pid)


def test_gitlab_is_the_only_double():
    assert PLUGINS == ["pulumi-resource-gitlab"]


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_does_not_outlive_a_killed_engine(plugin):
    engine, pid = started(plugin)
    engine.kill()
    engine.wait()
    assert gone_within(pid, 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_signal_ends_a_plugin_at_once_even_in_a_background_job(plugin, number):
    engine, pid = started(plugin)
    try:
        os.kill(pid, number)
        assert gone_within(pid, 1)
    finally:
        engine.kill()
        engine.wait()
