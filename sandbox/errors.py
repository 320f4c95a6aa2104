"""The one error that the sandbox shows to people."""


class SandboxError(Exception):
    """Something a person can act on: the message says what is wrong, where, and what to do, in one line."""
