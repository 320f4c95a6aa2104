"""What is shown of texts that others wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_slipway.release.checks.wording import MOST, number, one_line, redacted


@given(st.text(max_size=2000))
def test_any_text_becomes_one_bounded_line_without_control_characters(text):
    line = one_line(text)
    assert len(line) <= MOST + 1
    assert not any(ord(c) < 9 or 10 <= ord(c) < 32 or 127 <= ord(c) < 160 for c in line)


def test_a_long_text_keeps_its_end():
    assert one_line("x" * 900 + "the reason").endswith("xthe reason")
    assert one_line("x" * 900)[0] == "…"


def test_colours_and_sections_of_gitlabs_log_are_taken_out():
    assert one_line("\x1b[31mred\x1b[0m\nsection_start:1:a\r\x1b[0Kfold") == "red | section_start:1:a | fold"


def test_secrets_are_masked_the_longer_first_and_short_ones_left():
    assert redacted("token abcdef and abcd and ab", ["ab", "abcd", "abcdef"]) == "token [MASKED] and [MASKED] and ab"


def test_logins_of_urls_are_taken_out():
    assert redacted("GET https://me:pw@host:1/a?b@c http://x", ()) == "GET https://host:1/a?b@c http://x"


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.99", 0.99), ("rate\n 12 \n\n", 12.0), ("-1.5e-3", -0.0015), (".5", 0.5), ("1e999", None), ("inf", None)]
    + [(text, None) for text in ("", "nan", "1_000", "5%", "0.5 0.6", "1\nend", "0x10", "٣")],
)
def test_the_last_line_is_a_number_or_not(text, value):
    assert number(text) == value
