"""One way to say something, from any thread."""

import ast
import asyncio
import threading
from pathlib import Path

import pulumi

from pulumi_slipway.components import log
from pulumi_slipway.components.log import Log

CHECKOUT = Path(__file__).parents[2]
PROGRAM = ("__main__.py", "components", "pulumi_slipway")


def calls_of_pulumis_log(file: Path) -> list[int]:
    """The lines that name `pulumi.log`, or import it."""
    tree = ast.parse(file.read_text())
    named = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "log" and ast.unparse(node.value) == "pulumi"
    ]
    imported = [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and node.module == "pulumi" and any(it.name == "log" for it in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "pulumi.log")
        or (isinstance(node, ast.Import) and any(it.name == "pulumi" and it.asname for it in node.names))
        or (isinstance(node, ast.Import) and any(it.name == "pulumi.log" for it in node.names))
    ]
    return named + imported


def test_nothing_but_components_log_speaks_by_pulumis_own():
    files = [file for place in PROGRAM for file in ([CHECKOUT / place, *(CHECKOUT / place).rglob("*.py")])]
    found = {str(it.relative_to(CHECKOUT)): calls_of_pulumis_log(it) for it in files if it.is_file()}
    assert len(found) > 80
    assert [name for name, lines in found.items() if lines] == ["components/log.py"]


def test_a_line_from_a_thread_is_said_in_the_programs_loop(monkeypatch):
    said = []
    monkeypatch.setattr(pulumi.log, "info", lambda *args: said.append((*args, threading.current_thread())))

    async def program():
        speaker = Log("a resource")
        speaker.info("first")
        await asyncio.to_thread(speaker.info, "second")
        await asyncio.sleep(0)

    asyncio.run(program())
    here = threading.current_thread()
    assert said == [("first", "a resource", here), ("second", "a resource", here)]


def test_what_is_said_when_the_loop_has_ended_is_said_without_it(monkeypatch):
    said = []
    monkeypatch.setattr(pulumi.log, "error", lambda *args: said.append(args))

    async def program():
        return Log("a resource")

    speaker = asyncio.run(program())
    speaker.error("from the program's own thread")
    thread = threading.Thread(target=speaker.error, args=("from another",))
    thread.start()
    thread.join()
    assert said == [("from the program's own thread",), ("from another",)]


def test_the_exec_scripts_line_on_its_monitor_is_left_out(monkeypatch):
    said = []
    monkeypatch.setattr(pulumi.log, "error", lambda text, resource=None: said.append(text))
    log.leave_out_the_monitor()
    pulumi.log.error(log.MONITOR_GONE)
    pulumi.log.error("anything else")
    assert said == ["anything else"]
