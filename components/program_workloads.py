"""The workloads of one program: its environments share them, so that none is made twice."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pulumi_slipway.core.errors import UserError


@dataclass
class ProgramWorkloads:
    """What the environments of a program have planned so far."""

    alone: list[str] = field(default_factory=list)
    """The workloads that are components of their own, in the order of planning."""
    _claimed: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def claim(self, server: str, namespace: str, names: Iterable[str], environment: str) -> None:
        """Raises UserError where a workload of this name is in this namespace of this cluster already.

        The two would have one Deployment, and each run of the one would undo the other's.
        """
        known, mistakes = self._claimed, []
        for name in names:
            key = (server, namespace, name)
            if key in known:
                mistakes.append(
                    f"workload {name}: environment {known[key]} of this program has one of this name in namespace "
                    f"{namespace}: give one of them another `name`, or its environment another `namespace`"
                )
            known[key] = environment
        if mistakes:
            raise UserError("\n".join(mistakes))
