"""How a program ends when the engine tells it to."""

import subprocess
import sys

INTERRUPTED_OFTEN = """
import asyncio, os, signal

asyncio.set_event_loop(asyncio.new_event_loop())
from pulumi_slipway.components import program
from pulumi_slipway.release.interrupt import Interrupt, Interrupted

gate = Interrupt()
program.begin()
sender = os.fork()  # a process of its own: a thread could send nothing while the handler is at work
if not sender:
    for _ in range(100_000):
        os.kill(os.getppid(), signal.SIGINT)
    os._exit(0)
while not os.waitpid(sender, os.WNOHANG)[0]:
    sum(range(100))
try:
    gate.sleep(10)
except Interrupted:
    print("ended", program.interrupted())
"""


def test_interrupts_that_follow_each_other_at_once_end_the_gates_and_the_program():
    """A handler that takes a lock waits for itself, where the next interrupt meets it holding that lock."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_OFTEN], capture_output=True, check=False, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "ended True\n"), done.stderr
