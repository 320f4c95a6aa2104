"""What a deployment left for previews is a ConfigMap: who may edit that gives every branch's preview a state."""

import base64
import gzip
import json
import tracemalloc
import zlib
from types import SimpleNamespace

import pytest

from pulumi_slipway.pipeline import snapshot

STATE = {"version": 3, "deployment": {"resources": [{"urn": "u", "type": "pulumi:pulumi:Stack"}]}}


def packed(content):
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.b64encode(gzip.compress(text)).decode()


def read(data):
    client = SimpleNamespace(get=lambda kind, name, *, namespace: SimpleNamespace(binaryData={snapshot.KEY: data}))
    return snapshot.read(client, "apps", "staging")


def bomb():
    """Half a gigabyte of blanks."""
    made = zlib.compressobj(9, wbits=31)
    return made.compress(b"") + b"".join(made.compress(b" " * (1 << 24)) for _ in range(32)) + made.flush()


def test_a_state_comes_back():
    assert read(packed(STATE)) == STATE


def test_one_that_explodes_is_given_up_before_it_fills_the_memory():
    data = base64.b64encode(bomb()).decode()
    assert len(data) < 4 << 20
    tracemalloc.start()
    try:
        assert read(data) is None
        assert tracemalloc.get_traced_memory()[1] < 4 * snapshot.MOST
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data",
    [
        "", "!", "AAAA", packed(STATE)[:-16], packed(b"["), packed(b"[" * 100_000), packed(b"\xff"), packed([]),
        packed({}), packed({"deployment": None}), packed({"deployment": []}), packed({"deployment": {"resources": 1}}),
        packed({"deployment": {"resources": [1]}}), packed(b'{"deployment":' * 5000), packed(b"9" * 10_000),
    ],
    ids=range(15),
)  # fmt: skip
def test_one_that_is_damaged_counts_as_none(data):
    assert read(data) is None


@pytest.mark.parametrize("where", ["inputs", "outputs"])
@pytest.mark.parametrize("below", [False, True])
def test_no_plugin_is_fetched_from_where_it_says(where, below):
    url = {"pluginDownloadURL": "https://evil.example.com"}
    inner = {"__internal": url} if below else url
    provider = {"urn": "p", "type": "pulumi:providers:evil", where: {"version": "1.0.0", **inner}}
    found = read(packed({"version": 3, "deployment": {"resources": [provider]}}))
    assert "evil.example.com" not in json.dumps(found)
    assert found["deployment"]["resources"][0][where]["version"] == "1.0.0"
