"""By which names stacks of earlier versions know a resource: the engine takes it over as it is."""

from functools import partial

import pulumi

RELEASE, BLUE_GREEN, CANARY = (f"slipway:index:{it}" for it in ("Release", "BlueGreen", "Canary"))
OWNERS = {"blue": BLUE_GREEN, "green": BLUE_GREEN, "preview": BLUE_GREEN, "canary": CANARY}
"""Once a release was a component below its workload, and each strategy's own objects were in another below that."""


def of_earlier_layouts(workload: pulumi.Resource, name: str, what: str) -> list[pulumi.Alias]:
    """The aliases of one object of a release."""
    owners = [RELEASE, OWNERS[what]] if what in OWNERS else [RELEASE]
    return [pulumi.Alias(parent=workload.urn.apply(partial(_below, name, owners)))]


def _below(name: str, owners: list[str], workload: str) -> str:
    """The URN of the component in which it was: `urn:pulumi:<stack>::<project>::<types>::<name>`."""
    return "::".join([*(workload.split("::")[:2]), "$".join([workload.split("::")[2], *owners]), name])
