"""What was deleted by hand is made again."""

from typing import Any

import pulumi

from release.prepare import CREATED


def remade_when_gone(**options: Any) -> pulumi.ResourceOptions:
    """Resource options with which an object that is gone from the cluster is replaced.

    To the engine it still exists, and an update of what isn't there fails. So the annotation CREATED, new where nothing
    was observed, asks for a replacement; the delete before it finds nothing and passes.
    """
    path = f'metadata.annotations["{CREATED}"]'
    return pulumi.ResourceOptions(replace_on_changes=[path], delete_before_replace=True, **options)
