"""What keeps `pulumi destroy` from an environment that users are on."""

from collections.abc import Sequence

import pulumi

from pulumi_slipway.core.keys import PROTECTION


class DestroyProtection(pulumi.ComponentResource):
    """Is deleted before everything that it depends on, and protected unless `allowed`: the engine stops there.

    `pulumi destroy` runs no program of ours and asks the state alone. A protected object of the environment would not
    do: the engine deletes others before it, and would refuse to delete it where an `up` has to. `up` never deletes
    this one.
    """

    def __init__(
        self, name: str, protects: Sequence[pulumi.Resource], parent: pulumi.Resource | None, *, allowed: bool
    ) -> None:
        opts = pulumi.ResourceOptions(parent=parent, depends_on=[*protects], protect=not allowed)
        super().__init__(PROTECTION, f"{name}-allowDestroy", None, opts)
        # No outputs: `refresh --run-program` leaves out what waits for an object to come, and fails where it has some.
