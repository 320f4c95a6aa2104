"""The order of a release's writes, held where `--target` and `--exclude` leave some of them out.

The engine does not tell a program what it leaves out. It calls the hook of what it is about to write, in a preview too:
what has a gate must be written, and was left out where its hook was not called.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pulumi

from pulumi_slipway.components.before_write import BeforeWrite, Work
from pulumi_slipway.components.inputs import whole
from pulumi_slipway.components.kubernetes_object import KubernetesObject
from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import RELEASE_LABEL
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.core.plan import LEDGER, Operation, Plan
from pulumi_slipway.release.interrupt import Interrupt


@dataclass(frozen=True)
class Order:
    """One workload's operations. `made`: their resources, by the operation's `what`, as they are declared."""

    plan: Plan
    before_write: BeforeWrite
    made: dict[str, KubernetesObject] = field(default_factory=dict)

    def refusal(self, operation: Operation) -> Work:
        """Before an operation is written: nothing that must be done first was left out."""

        def refuse(_: Interrupt) -> None:
            for other in self._before(operation):
                if self._left_out(other):
                    raise UserError(self.line(other))

        return refuse

    async def written(self, what: str) -> pulumi.Resource:
        """The operation's resource, for those after it; raises RunError where it was left out of a release that moves.

        What is declared after it the engine may have taken from its last state already, for what was left out
        depended on it there: it would end with "Duplicate resource URN".
        """
        await self.made[what].urn.future()
        if self.broken(what):
            raise pulumi.RunError(self.line(what))
        return self.made[what]

    def broken(self, what: str = LEDGER) -> bool:
        """Whether it was left out while something of the release was written. A refresh writes nothing, and may."""
        return self._left_out(what) and any(self._called(other) for other in self.plan.gates if other in self.made)

    def line(self, what: str) -> str:
        """What is wrong."""
        return (
            f"{self.made[what].pulumi_resource_name} is left out of this run, and release {self.plan.release.id} can't "
            "move without it: run without --target and --exclude (SLIPWAY_WORKLOADS names whole workloads)"
        )

    def template(self, track: str, release: str) -> Manifest | None:
        """The pod template that the engine has of a track's release: with what the transforms of a program made of it.

        None where it has another one there, or nothing is written there in this run.
        """
        call = self._call(track) if track in self.made else None
        for inputs in (call.new_inputs, call.old_inputs) if call else ():
            spec = (inputs or {}).get("spec")
            if isinstance(spec, Mapping):  # else it has a secret in it, which is for the engine alone
                made: Manifest = whole(spec["template"])
                if made["metadata"]["labels"].get(RELEASE_LABEL) == release:
                    return made
        return None

    def _left_out(self, what: str) -> bool:
        return what in self.plan.gates and not self._called(what)

    def _called(self, what: str) -> bool:
        return self._call(what) is not None

    def _call(self, what: str) -> pulumi.ResourceHookArgs | None:
        made = self.made[what]
        return self.before_write.calls.get((made.pulumi_resource_type, made.pulumi_resource_name))

    def _before(self, operation: Operation) -> Iterator[str]:
        every: Mapping[str, Operation] = {it.what: it for it in self.plan.operations()}
        for other in operation.after:
            yield from self._before(every[other])
            yield other
