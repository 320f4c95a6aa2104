"""What is done before an object is written, as plain functions that block, behind one hook of the engine."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pulumi

from pulumi_slipway.components.program_workloads import ProgramWorkloads
from pulumi_slipway.components.state import LastState
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.release.interrupt import Interrupt

Work = Callable[[Interrupt], object]
"""What it raises fails the operation: the object is not written."""

OUTPUTS_SECONDS = 0.3

_THREADS = ThreadPoolExecutor(1000, thread_name_prefix="slipway-before-write")
"""Their own. In asyncio's, each registered resource holds a thread until the engine has written it: with many
workloads those take them all, and wait for works that wait for a thread. Few begin: the engine's `--parallel` bounds
them."""


_registered: "dict[pulumi.Resource | None, BeforeWrite]" = {}
"""By the program's root; one program runs in a process, several in tests."""


@dataclass(frozen=True)
class Works:
    """What is done before one object is written, one after the other."""

    always: Sequence[Work] = ()
    """Before it is made or changed."""
    update: Sequence[Work] = ()
    """After these, before it is changed: to the engine it is there already."""
    replace: Sequence[Work] = ()
    """Before these, in a preview too, where the engine makes what it has already: it is about to replace it."""
    first: Sequence[Work] = ()
    """Before all others, in a preview too: what may refuse."""
    kept: bool = False
    """Whether it stays as it is though its inputs say otherwise: admission has made it so, and would again."""


class BeforeWrite:
    """The works of a stack's objects.

    Every object has the same hook in every run, whether there is work for it or not. The state tells an object's hooks,
    and the engine writes the whole state anew for each that has others than before: with 50 workloads the run after a
    release, which has nothing to do, took three times as long.
    """

    def __init__(self) -> None:
        self.works: dict[tuple[str, str], Works] = {}
        """By type and name of the resource."""
        self.state = LastState()
        self.workloads = ProgramWorkloads()
        self.calls: dict[tuple[str, str], pulumi.ResourceHookArgs] = {}
        """By type and name, what the engine said as it was about to write; what a run leaves out is not among them."""
        self._preview = pulumi.runtime.is_dry_run()
        self._hook = pulumi.ResourceHook("before-write", self._run, pulumi.ResourceHookOptions(on_dry_run=True))

    @classmethod
    def of_the_program(cls) -> "BeforeWrite":
        """The one that all environments of a program share: the engine knows a hook by its name."""
        program = pulumi.runtime.get_root_resource()
        if program not in _registered:
            _registered.clear()
            _registered[program] = cls()
        return _registered[program]

    def binding(self, type_: str, name: str, works: Works) -> pulumi.ResourceHookBinding:
        """The hooks of the resource that has these works."""
        if (type_, name) in self.works:
            raise UserError(
                f"two workloads of this program have a resource called {name}: give one another resource name, and "
                "its own by `name`"
            )
        self.works[type_, name] = works
        return pulumi.ResourceHookBinding(before_create=[self._hook], before_update=[self._hook])

    async def _run(self, args: pulumi.ResourceHookArgs) -> None:
        """In a thread of its own.

        Where the engine ends before it (killed, cancelled), this call is cancelled, and the thread is told by the
        interrupt that it gets: else it would go on for the length of a canary's pause, beside the next run.
        """
        works = self.works[args.type, args.name]
        self.calls[args.type, args.name] = args
        refusals, wanted = [*works.first], [*works.always]
        if args.old_inputs is not None:
            wanted += works.update
        elif works.replace:
            made = args.new_inputs or {}
            known = self.state.holds(str(made.get("kind")), made["metadata"])
            refusals += works.replace if known else ()
        wanted = refusals if self._preview else [*refusals, *wanted]
        if not wanted:
            return
        interrupt = Interrupt()
        try:
            await asyncio.get_running_loop().run_in_executor(_THREADS, _told, wanted, interrupt)
        except Exception:
            await asyncio.sleep(OUTPUTS_SECONDS)  # the stack's outputs are on their way to an engine that is to end
            raise
        except asyncio.CancelledError:
            interrupt.set()
            raise


def _told(works: Sequence[Work], interrupt: Interrupt) -> None:
    """Does them. The SDK hands on an exception's text, and the engine takes an empty one for success: so none is."""
    try:
        for work in works:
            work(interrupt)
    except Exception as error:
        if not str(error):
            raise RuntimeError(repr(error)) from error
        raise
