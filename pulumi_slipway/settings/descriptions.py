"""What the settings' docstrings say, for the JSON Schema and for errors."""

import ast
import inspect
from functools import cache
from itertools import pairwise

from pulumi_slipway.settings.types import Model


@cache
def describe() -> None:
    """Gives each setting the docstring below it as its description.

    Pydantic would by itself (`use_attribute_docstrings`), but in every run: it reads the sources of all blocks, which
    took 75 ms of CPU of each.
    """
    for block in Model.__subclasses__():  # each after those that it is made of
        (definition,) = ast.parse(inspect.getsource(block)).body
        for field, text in pairwise(getattr(definition, "body", [])):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                    block.model_fields[name].description = inspect.cleandoc(said)
        block.model_rebuild(force=True)
