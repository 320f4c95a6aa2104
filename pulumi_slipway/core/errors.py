"""The one base of every error that is meant for a person."""


class UserError(Exception):
    """Something the user can put right: the text says what is wrong, where, and what to do.

    The program ends with it (components/program.py): one line a mistake, no traceback.
    """


class WorkloadError(UserError):
    """Something about one workload. `what` is the text without its name, for where the name stands already."""

    def __init__(self, workload: str, what: str) -> None:
        super().__init__(f"workload {workload}: {what}")
        self.workload, self.what = workload, what
