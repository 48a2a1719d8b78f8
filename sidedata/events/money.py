"""Sums of money as whole units of 1/10,000, from the text of an event to the text of an answer; never a float. Pure.

One purchase can be 10^16 units and sums pass 2^63, which is as far as Redis's integers go. So a sum is stored in two parts,
high * 10^9 + low, each of which only ever grows by less than 10^9 or 10^7 an event.
"""

import re
from typing import Final

UNITS: Final = 10_000  # of one: the finest step that an event may carry
MAX_PURCHASE: Final = 10**12
_HIGH: Final = 10**9

_AMOUNT: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


def units_of(text: str) -> int:
    """The units of an amount given as plain digits with an optional fraction.

    Raises:
        ValueError: it is none, too fine, or too much; the text says which.
    """
    match = _AMOUNT.fullmatch(text)
    if not match:
        raise ValueError("not plain digits with an optional fraction")
    whole, fraction = match[1].lstrip("0"), (match[2] or "").rstrip("0")
    # Lengths are checked first: Python refuses to read integers of thousands of digits.
    if len(fraction) > 4:
        raise ValueError("not a multiple of 0.0001")
    units = int(whole or "0") * UNITS + int(fraction.ljust(4, "0")) if len(whole) <= 13 else None
    if units is None or units > MAX_PURCHASE * UNITS:
        raise ValueError("more than 10^12")
    return units


def is_currency(text: str) -> bool:
    """Whether it is three letters A to Z."""
    return _CURRENCY.fullmatch(text) is not None


def parted(units: int) -> tuple[int, int]:
    """The high and the low part that a stored sum grows by."""
    return divmod(units, _HIGH)


def joined(high: int, low: int) -> int:
    """The sum in units, from its stored parts; low may have grown past 10^9."""
    return high * _HIGH + low


def text_of(units: int) -> str:
    """A JSON number, exact at any size, with no more digits than needed."""
    whole, fraction = divmod(units, UNITS)
    return f"{whole}.{fraction:04}".rstrip("0") if fraction else str(whole)
