"""The strategies that have tracks of their own: the parents of these, so that a change of strategy takes them along."""

import pulumi


class BlueGreen(pulumi.ComponentResource):
    """Blue, green and the preview Service. Which of the two serves says the workload's Service (core/plan.py)."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:BlueGreen", name, None, opts)
        self.register_outputs({})


class Canary(pulumi.ComponentResource):
    """The canary beside the stable track, which is the release's own: it stays when the strategy changes."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Canary", name, None, opts)
        self.register_outputs({})
