"""What is wrong with the settings, in lines for people, and the error that carries them."""

from dataclasses import dataclass, field

from pulumi_slipway.core.errors import UserError

Path = tuple[str | int, ...]


class SettingsError(UserError):
    """The settings can't be used; its text has one line a mistake: where, what it got, what is allowed."""


NOT_SHOWN = object()
"""Stands for a value that the line is better off without."""


@dataclass(frozen=True)
class Mistake:
    """One wrong thing: where (keys of the YAML), the value there and what to do."""

    path: Path
    value: object
    remedy: str


@dataclass
class Mistakes(ValueError):
    """Gathers what a rule over several settings finds, so that all of it is reported at once."""

    found: list[Mistake] = field(default_factory=list)

    def add(self, path: Path, remedy: str, value: object = NOT_SHOWN) -> None:
        """Notes one; `path` is relative to the model whose rule this is."""
        self.found.append(Mistake(path, value, remedy))

    def check(self) -> None:
        """Raises itself if there was any."""
        if self.found:
            raise self
