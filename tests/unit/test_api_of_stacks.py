"""What the states of existing stacks hold: it changes with an alias, a reader of the old form and recorded data only.

docs/adr/0030 names it for people.
"""

import re
from pathlib import Path

import pulumi_slipway
from demo.workspace import CHECKOUT
from pulumi_slipway.core import keys

COMPONENTS = Path(pulumi_slipway.__file__).parent / "components"
TYPES = {
    "Access", "BoundToken", "ClusterBinding", "DestroyProtection", "Environment", "EnvironmentNamespace",
    "GitLabProject", "Identity", "LedgerReader", "TokenGuard", "Workload", "WorkloadGuard",
}  # fmt: skip
HOOKS = {"before-write"}
LABELS = {
    "", "by-", "check", "container", "environment", "expires-at", "holds", "image", "observed", "paused", "pool",
    "promotes-from", "release", "releases", "stack", "token-lifetime", "token-of", "track",
}  # fmt: skip
KEYS = {
    it for name, it in vars(keys).items() if name.isupper() and isinstance(it, str) and it.startswith("slipway.dev/")
}


def sources():
    """The components, and the keys that they share."""
    files = [*sorted(COMPONENTS.glob("*.py")), Path(keys.__file__)]
    return {it.name: it.read_text() for it in files}


def test_the_types_of_components():
    found = {it for text in sources().values() for it in re.findall(r"slipway:index:(\w+)", text)}
    assert found == TYPES
    told = (CHECKOUT / "docs" / "adr" / "0030-one-component-a-workload.md").read_text()
    assert {it for it in TYPES if f"`{it}`" in told} == TYPES


def test_the_hooks():
    assert {it for text in sources().values() for it in re.findall(r'ResourceHook\(\s*"([^"]+)"', text)} == HOOKS


def test_the_component_that_keeps_a_destroy_away():
    assert keys.PROTECTION == "slipway:index:DestroyProtection"
    assert '-allowDestroy"' in sources()["destroy_protection.py"]


def test_the_module_of_the_token_provider():
    assert (CHECKOUT / "components" / "token_request.py").exists()


def test_the_labels_and_annotations():
    assert {f"slipway.dev/{it}" for it in LABELS} == KEYS
