"""What cells stand for: nothing of what they say is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest

from headstart.history.cells import Conversion, Unreadable, convert, plain_value


@pytest.mark.parametrize(("cell", "whole"), [("3", 3), (4.0, 4), ("5.0", 5), (2**62 + 1, 2**62 + 1), ("1e3", 1000)])
def test_whole_numbers_are_read_in_every_spelling(cell: Any, whole: int) -> None:
    read = convert(cell, Conversion(kind="integer"), "n")
    assert (read, type(read)) == (whole, int)


@pytest.mark.parametrize("cell", [3.7, "3.7", True, False, float("nan"), float("inf"), "three", [3]])
def test_what_is_no_whole_number_is_not_cut_to_one(cell: Any) -> None:
    with pytest.raises(Unreadable, match="'n'"):
        convert(cell, Conversion(kind="integer"), "n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("11", 11),
        ("-3", -3),
        ("0", 0),
        ("0.5", 0.5),
        ("-0.5", -0.5),
        ("1e-4", 1e-4),
        ("True", True),
        ("1_000", "1_000"),
    ],
)
def test_texts_stand_for_numbers_truth_values_and_words(text: str, value: Any) -> None:
    assert (plain_value(text), type(plain_value(text))) == (value, type(value))


def test_different_codes_of_digits_stay_different() -> None:
    codes = ["0011", "011", "11", "00", "0", "01e4", "-01"]
    assert [str(plain_value(code)) for code in codes] == codes


@pytest.mark.parametrize("cell", [3, "3"])
def test_a_whole_scale_keeps_whole_numbers_whole(cell: Any) -> None:
    assert repr(convert(cell, Conversion(scale=1000, offset=1), "x")) == "3001"
    assert repr(convert(cell, Conversion(scale=0.5), "x")) == "1.5"
    assert repr(convert("3.0", Conversion(scale=1000), "x")) == "3000.0"
