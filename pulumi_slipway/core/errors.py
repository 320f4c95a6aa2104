"""The one base of every error that is meant for a person."""


class UserError(Exception):
    """Something the user can put right: the text says what is wrong, where, and what to do.

    The program ends with it (components/program.py): one line a mistake, no traceback.
    """
