"""Property values keep their meaning on the way to the engine and back."""

from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from sandbox.plugins.properties import UNKNOWN, Secret, from_struct, has_secret, plain, to_struct

LEAVES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5) | st.just(UNKNOWN)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3) | st.builds(Secret, inner)
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4))
def test_properties_survive_the_trip(properties):
    assert from_struct(to_struct(properties)) == properties


def test_a_whole_number_comes_back_as_an_integer():
    struct = struct_pb2.Struct()
    struct.update({"expirationSeconds": 3600.0, "share": 0.5})
    found = from_struct(struct)
    assert (found["expirationSeconds"], found["share"]) == (3600, 0.5)
    assert isinstance(found["expirationSeconds"], int)


def test_a_secret_is_found_at_any_depth_and_never_shown():
    value = {"a": [{"b": Secret("hush")}]}
    assert has_secret(value)
    assert "hush" not in repr(value)
    assert plain(value) == {"a": [{"b": "hush"}]}
    assert not has_secret(plain(value))


def test_an_output_value_counts_as_its_value():
    struct = struct_pb2.Struct()
    struct.update({"a": {"4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4", "secret": True}})
    assert from_struct(struct) == {"a": Secret(UNKNOWN)}
