"""The scalar types: what they take, and that reading gives back what was meant."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube.utils.quantity import parse_quantity
from pydantic import TypeAdapter, ValidationError

from pulumi_slipway.settings import types
from pulumi_slipway.settings.access import Token
from pulumi_slipway.settings.types import amount, duration_text, seconds_of

SIZES = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@given(st.integers(0, 10**9))
def test_a_duration_written_and_read_is_the_same(seconds: int) -> None:
    assert seconds_of(duration_text(seconds)) == seconds


@given(st.integers(1, 9999), st.sampled_from("smhd"))
def test_a_duration_counts_its_unit(count: int, unit: str) -> None:
    assert seconds_of(f"{count}{unit}") == count * SIZES[unit]


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_a_duration_may_have_several_units(days: int, hours: int, minutes: int, seconds: int) -> None:
    assert seconds_of(f"{days}d{hours}h{minutes}m{seconds}s") == ((days * 24 + hours) * 60 + minutes) * 60 + seconds


@given(st.text(max_size=8))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert seconds_of(text) >= 0


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "5M", "-5m", "5m1h", "1.5h", "٣s", "5m\n"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        seconds_of(text)


@pytest.mark.parametrize(("given", "seconds"), [("8760h", 31536000), ("1h", 3600), (7200, 7200), ("90d", 7776000)])
def test_a_token_may_live_from_an_hour_to_a_year(given: str | int, seconds: int) -> None:
    token = Token.model_validate({"expiration": given, "renewBefore": "1s"})
    assert token.expiration == seconds


@pytest.mark.parametrize("given", ["59m", "8761h", 3599, True, 3600.0, None, "365d1s"])
def test_a_token_lives_neither_shorter_nor_longer(given: object) -> None:
    with pytest.raises(ValidationError, match="from 1h to 365d"):
        Token.model_validate({"expiration": given, "renewBefore": "1s"})


SUFFIXES = ["", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"]


@given(st.integers(1, 10**6), st.sampled_from(SUFFIXES))
def test_a_quantity_is_kept_as_written_and_compares_as_its_number(count: int, suffix: str) -> None:
    written = f"{count}{suffix}"
    read = TypeAdapter(types.Cpu).validate_python(written)
    assert read == written
    assert amount(read) == parse_quantity(written)


@given(st.decimals(min_value=Decimal("0.001"), max_value=10**6, places=3))
def test_a_quantity_may_have_a_fraction(number: Decimal) -> None:
    assert amount(TypeAdapter(types.Cpu).validate_python(str(number))) == number


@pytest.mark.parametrize(
    ("given", "amount_"), [(1, "1"), (0.5, "0.5"), ("1e3", "1000"), ("1E3", "1000"), ("1E", "1e18")]
)
def test_a_quantity_may_be_a_bare_number(given: object, amount_: str) -> None:
    assert amount(TypeAdapter(types.Cpu).validate_python(given)) == Decimal(amount_)


@pytest.mark.parametrize("given", ["", "m", "-1", "1 Gi", "1gi", "1KB", "1.", ".5", True, None, [], 0, "0"])
def test_what_is_no_quantity_is_refused(given: object) -> None:
    with pytest.raises(ValidationError, match="must be a Kubernetes quantity"):
        TypeAdapter(types.Cpu).validate_python(given)


def accepts(kind: Any, value: object) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (types.DnsLabel, ["a", "a-1", "1", "a" * 63], ["", "A", "a.b", "-a", "a-", "a" * 64, "a\n", "ä"]),
        (types.DnsName, ["a", "a.b-c.d"], ["a..b", ".a", "a.", "A.b", "a_b", "a" * 254]),
        (types.HostName, ["example.com", "*.example.com"], ["*", "a.*.com", "http://a", "a/b", "a:80", "Example.com"]),
        (types.WorkloadName, ["a", "my-app2", "a" * 40], ["1a", "a-", "a" * 41, "my.app", ""]),
        (types.VariableName, ["A", "_a1"], ["1A", "A-B", "", "A B", "A="]),
        (types.RegistryServer, ["registry.gitlab.com", "10.89.0.1:5000", "localhost"], ["https://r", "r/x", "r:", ""]),
        (types.LabelKey, ["team", "example.com/team"], ["", "/a", "a/", "a b", "a/b/c", "slipway.dev/x", "x" * 64]),
        (types.LabelValue, ["", "a", "a_b.c"], ["a b", "-a", "a" * 64]),
        (types.UrlPath, ["/", "/healthz"], ["", "healthz", "/a b", "/a?b", "/a#b"]),
        (types.Directory, ["/tmp", "/var/run"], ["/", "tmp", "/a//b", "/a/", "/a:b", ""]),
        (types.GitLabScope, ["production", "review/*", "*"], ["", "a,b", "a\nb", "x" * 256]),
        (types.RefName, ["main", "release/*", "v*"], ["", "a b", "a~1", "a..b:c"]),
        (types.Server, ["https://10.0.0.1:6443", "https://a.b/k8s"], ["http://a", "https://u@a", "https://a?b", "a"]),
        (types.Port, [1, 65535], [0, 65536, "80", True, 80.0]),
        (types.Flag, [True, False], ["yes", 1, "true", None]),
    ],
)
def test_a_type_takes_the_good_and_refuses_the_bad(kind: object, good: list[object], bad: list[object]) -> None:
    assert [value for value in good if not accepts(kind, value)] == []
    assert [value for value in bad if accepts(kind, value)] == []


DIGEST = f"@sha256:{'0' * 64}"


@pytest.mark.parametrize(
    "image",
    [
        "app",
        "library/app:1.2",
        "registry.gitlab.com/my-group/sub_group/app:abc123",
        "10.89.0.1:5000/demo/app:v1",
        f"localhost/app{DIGEST}",
        f"registry.example.com/app:1{DIGEST}",
    ],
)
def test_an_image_is_a_repository_with_tag_or_digest(image: str) -> None:
    assert accepts(types.ImageReference, image)


@pytest.mark.parametrize(
    "image",
    [
        "",
        "App",
        "app:",
        "app:a b",
        "app@sha256:0",
        "https://r.io/app",
        "-app",
        "app:" + "a" * 129,
        "a//b",
        "$IMAGE",
        "a:b:c",
    ],
)
def test_what_is_no_image_is_refused(image: str) -> None:
    assert not accepts(types.ImageReference, image)


@given(st.integers())
def test_a_whole_number_in_plain_text_is_its_digits(number: int) -> None:
    assert TypeAdapter(types.PlainText).validate_python(number) == str(number)
