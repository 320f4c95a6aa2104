"""What a ConfigMap or Secret holds, and a name for it that its content gives."""

import hashlib
import json
from collections.abc import Mapping

from pulumi_slipway.core.model import Manifest

CONTENT = ("data", "binaryData", "type")
"""Fields that make the content."""


def content_of(manifest: Manifest) -> dict[str, object]:
    """The content alone."""
    return {key: manifest[key] for key in CONTENT if manifest.get(key)}


def digest(content: Mapping[str, object]) -> str:
    """Ten hex digits; the same content gives the same."""
    return hashlib.sha256(_text(content)).hexdigest()[:10]


def secret_digest(content: Mapping[str, object], owner: str) -> str:
    """The same for what is secret; `owner` (namespace and name) is the salt.

    A name is seen by whoever may read the Deployment, so it must not help to guess a short value: a slow, salted hash
    (scrypt), cut to 40 bits.
    """
    return hashlib.scrypt(_text(content), salt=owner.encode(), n=2**14, r=8, p=1, dklen=5).hex()


def _text(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, sort_keys=True).encode()
