"""What a run can be asked to do, and the variables that a person is told to set."""

from enum import StrEnum

IMAGE = "SLIPWAY_IMAGE"


class Action(StrEnum):
    """What a run is asked to do (`SLIPWAY_ACTION`)."""

    DEPLOY = "deploy"
    PROMOTE = "promote"
    ABORT = "abort"
    ROLLBACK = "rollback"
    SETTLE = "settle"
    REJECT = "reject"


def variable(workload: str) -> str:
    """The variable that names this workload's image: `my-app` has SLIPWAY_IMAGE_MY_APP."""
    return f"{IMAGE}_{workload.upper().replace('-', '_')}"
