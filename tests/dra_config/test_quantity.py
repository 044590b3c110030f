"""Quantities mean what Kubernetes takes them for, and cost nothing whatever they say."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dra_config.quantity import (
    FAR_BEYOND,
    MAX_BYTES,
    PATTERN,
    NotAQuantity,
    Quantity,
    parse,
    parse_bytes,
)

ROOT = Path(__file__).resolve().parents[2]
VERDICTS = ROOT.parent / "shared" / "corpus" / "upstream-verdicts" / "quantities.jsonl"

FACTORS = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    "": Fraction(1),
    **{letter: Fraction(10 ** (3 * n)) for n, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Fraction(1024**n) for n, letter in enumerate("KMGTPE", start=1)},
}


@dataclass(frozen=True)
class Spelling:
    """A quantity and, reckoned apart from the code under test, the number that it means."""

    text: str
    number: Fraction
    binary: bool

    @property
    def whole(self) -> int:
        return whole(self.number)


def whole(number: Fraction) -> int:
    magnitude = -(-abs(number) // 1)
    return -magnitude if number < 0 else magnitude


def spelling(sign: str, integer: str, fraction: str | None, suffix: str) -> Spelling:
    text = f"{sign}{integer}{'' if fraction is None else '.' + fraction}{suffix}"
    number = Fraction(int(integer + (fraction or "")), 10 ** len(fraction or ""))
    if suffix in FACTORS:
        number *= FACTORS[suffix]
    else:
        number *= Fraction(10) ** int(suffix[1:])
    return Spelling(text, -number if sign == "-" else number, suffix.endswith("i"))


def digits(minimum: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=minimum, max_size=30) | st.sampled_from(
        [minimum * "0", "9223372036854775807", "9223372036854775808", "9" * 80, "10" * 40]
    )


exponents = st.builds(
    "{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), st.integers(0, 60)
)
spellings = st.builds(
    spelling,
    st.sampled_from(["", "+", "-"]),
    digits(1),
    st.none() | digits(0),
    st.sampled_from(sorted(FACTORS)) | exponents,
)


@pytest.mark.parametrize(
    ("text", "canonical", "size"),
    [
        ("0", "0", 0),
        ("-0Mi", "0", 0),
        ("0e999999999", "0", 0),
        ("512Mi", "512Mi", 536870912),
        ("8Gi", "8Gi", 8589934592),
        ("10240Mi", "10Gi", 10737418240),
        ("1.5Mi", "1536Ki", 1572864),
        ("1.5Ki", "1536", 1536),
        (".5Ki", "512", 512),
        ("1000", "1k", 1000),
        ("1.953125Ki", "2000", 2000),
        ("1.5", "1500m", 2),
        ("-1.5k", "-1500", -1500),
        ("-0.5", "-500m", -1),
        ("100M", "100M", 100000000),
        ("1e9", "1e9", 1000000000),
        ("1.5E+6", "1500e3", 1500000),
        ("1e-3", "1e-3", 1),
        ("1m", "1m", 1),
        ("1.25n", "2n", 1),
        ("1e-1000", "1e-9", 1),
        ("0.0000000019999999999", "2n", 1),
        ("99.9999999991", "100", 100),
        ("+1k", "+1k", 1000),
        ("+4Ki", "+4Ki", 4096),
        ("+8Ki", "8Ki", 8192),
        ("0.9765625Ki", "1k", 1000),
        ("007M", "007M", 7000000),
        ("10e00000000000000000000004", "100e3", 100000),
        ("5.", "5.", 5),
        ("1000E", "1e21", 10**21),
        ("9223372036854775807", "9223372036854775807", MAX_BYTES),
        ("9223372036854775808", "9223372036854775808", MAX_BYTES + 1),
        ("1" + "2" * 99, "1" + "2" * 99, int("1" + "2" * 99)),
        ("7Ei", "7Ei", 7 * 2**60),
        ("8Ei", "9223372036854775807", MAX_BYTES + 1),
        ("-8Ei", "-9223372036854775807", -MAX_BYTES - 1),
        ("3.14159Pi", "3537115888337719132160u", 3537115888337720),
        ("0." + "0" * 8999 + "1Ki", "1n", 1),
        ("1." + "0" * 8999 + "1Ki", "1024000000001n", 1025),
    ],
)
def test_a_quantity_has_one_value_and_one_canonical_text(
    text: str, canonical: str, size: int
) -> None:
    assert parse(text) == Quantity((size > 0) - (size < 0), canonical, size)
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "8Gi ", " 8Gi", "8 Gi", "8Gi\n", "8\u00a0Gi"),
        *("1Kb", "1gi", "1K", "1GB", "1e", "1E+", "1i", "1kk", "1e5Ki", "1e1.5", "1e+-5"),
        *("10GiB", "banana", "--1", "+-1", "1.2.3", "1_000", "1,000", "0x10", "NaN", "inf"),
        *("-", "+", ".", "Ki", "e5", ".Gi"),
        *("٣Gi", "\uff18Gi", "8٣", "²", "1e٣"),
        *("1e9223372036854775808", "1e-9223372036854775809", "1e" + "9" * 10000),
    ],
)
def test_what_the_grammar_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(NotAQuantity):
        parse(text)
    with pytest.raises(NotAQuantity):
        parse_bytes(text)


def test_a_refusal_names_the_text_and_what_would_do() -> None:
    with pytest.raises(NotAQuantity) as refusal:
        parse_bytes("1Kb")
    assert str(refusal.value) == "'1Kb' is not a quantity such as '512Mi'"


def test_a_refusal_shows_a_long_text_only_in_part() -> None:
    with pytest.raises(NotAQuantity) as refusal:
        parse("x" * 10000)
    assert len(str(refusal.value)) < 120


@pytest.mark.parametrize(
    "text",
    [
        *("1e101", "1e999999999", "1e9223372036854775807", "9" * 101, "0." + "9" * 9000 + "e200"),
        *("9" * 10000, "9" * 10000 + "Ki", "9" * 10000 + "e-9000", "9" * 90 + "Ei"),
    ],
)
def test_beyond_a_hundred_digits_a_value_is_only_far_beyond(text: str) -> None:
    assert parse_bytes(text) == parse(text).bytes_rounded_up == FAR_BEYOND
    assert parse_bytes(f"-{text}") == -FAR_BEYOND


def test_ten_thousand_digits_are_rounded_without_being_converted() -> None:
    """Python refuses to convert texts of more than 4300 digits, so this would raise."""
    text = "1" + "0" * 9000 + "." + "0" * 9000 + "1e-9000"
    assert parse_bytes(text) == 2
    assert parse("9" * 9000 + "." + "9" * 9000).canonical == "1e9000"
    assert parse("9" * 10000 + "Mi").canonical == str(MAX_BYTES)


@given(spellings)
@example(spelling("", "0", "0001", "e-3"))
@example(spelling("", "0", "9" * 69 + "1", "Ei"))
@example(spelling("", "1", "0" * 68 + "1", "Ei"))
def test_the_value_is_the_number_rounded_away_from_zero(spelled: Spelling) -> None:
    quantity = parse(spelled.text)
    expected = max(-FAR_BEYOND, min(FAR_BEYOND, spelled.whole))
    assert quantity.bytes_rounded_up == parse_bytes(spelled.text) == expected
    assert quantity.sign == (spelled.number > 0) - (spelled.number < 0)


@given(spellings)
def test_the_canonical_text_reads_as_the_same_quantity(spelled: Spelling) -> None:
    quantity = parse(spelled.text)
    again = parse(quantity.canonical)
    expected = quantity.bytes_rounded_up
    if spelled.binary:  # Kubernetes caps these at 64 bits, and only these.
        expected = max(-MAX_BYTES, min(MAX_BYTES, expected))
    assert (again.sign, again.bytes_rounded_up) == (quantity.sign, expected)


@given(spellings)
def test_the_canonical_text_loses_nothing_coarser_than_a_billionth(spelled: Spelling) -> None:
    nanos = Fraction(whole(spelled.number * 10**9), 10**9)
    if spelled.binary:
        nanos = max(Fraction(-MAX_BYTES), min(Fraction(MAX_BYTES), nanos))
    assert number_of(parse(spelled.text).canonical) == nanos


@given(spellings, spellings)
def test_the_larger_number_never_has_the_smaller_value(one: Spelling, other: Spelling) -> None:
    small, large = sorted((one, other), key=lambda spelled: spelled.number)
    assert parse_bytes(small.text) <= parse_bytes(large.text)


@given(st.text() | st.text("0123456789.+-eEinumkKMGTP ", max_size=12))
def test_any_text_is_a_quantity_or_refused_with_one_error(text: str) -> None:
    try:
        expected: int | str = parse(text).bytes_rounded_up
    except NotAQuantity as refusal:
        expected = str(refusal)
    try:
        fast: int | str = parse_bytes(text)
    except NotAQuantity as refusal:
        fast = str(refusal)
    assert fast == expected


@given(spellings, st.sampled_from(["", " ", "  "]))
def test_the_pattern_of_the_schema_takes_every_quantity_and_the_space_around_it(
    spelled: Spelling, space: str
) -> None:
    assert re.search(PATTERN, f"{space}{spelled.text}{space}")


@pytest.mark.parametrize("text", ["", "1Kb", "8 Gi", "Ki", "-", "٣Gi", "8Gi;", "a8Gi"])
def test_the_pattern_of_the_schema_refuses_what_is_no_quantity(text: str) -> None:
    assert not re.search(PATTERN, text)


def number_of(text: str) -> Fraction:
    """Read a quantity by other means than the code under test: Python's own fractions."""
    number = text.rstrip("inumkKMGTPE")
    return Fraction(number) * FACTORS[text[len(number) :]]


def verdicts() -> Iterator[dict[str, Any]]:
    for line in VERDICTS.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


needs_verdicts = pytest.mark.skipif(
    not VERDICTS.exists(), reason="the published verdicts lie beside the repository"
)


@needs_verdicts
def test_kubernetes_and_we_agree_on_what_is_a_quantity_its_sign_and_its_text() -> None:
    differences = []
    for verdict in verdicts():
        try:
            quantity = parse(verdict["quantity"])
        except NotAQuantity:
            ours = ("refused", 0, "")
        else:
            ours = ("accepted", quantity.sign, quantity.canonical)
        theirs = (
            ("refused", 0, "")
            if "error" in verdict
            else ("accepted", verdict["sign"], verdict["canonical"])
        )
        if ours != theirs:
            differences.append((verdict["quantity"], ours, theirs))
    assert not differences


@needs_verdicts
def test_kubernetes_and_we_agree_on_every_value_that_its_arithmetic_holds() -> None:
    """Beyond 64 bits, and below zero in its slow path, Kubernetes answers noise."""
    compared = 0
    for verdict in verdicts():
        if "error" in verdict:
            continue
        ours = parse_bytes(verdict["quantity"])
        if 0 <= ours <= MAX_BYTES:
            assert verdict["value"] == ours, verdict
            compared += 1
        exact = number_of(verdict["canonical"])
        if 0 <= exact * 1000 <= MAX_BYTES:
            assert verdict["milli"] == whole(exact * 1000), verdict
    assert compared > 150
