"""Sums of money as whole units of 1/10,000, from the text of an event to the text of an answer; never a float. Pure.

One purchase can be 10^16 units and sums pass 2^63, the limit of Redis's integers. So a sum is stored in two parts,
high * 10^9 + low, each of which grows by less than 10^9 or 10^7 an event.
"""

import re
from typing import Final

UNITS: Final = 10_000  # to one of the currency: the finest step that an event may carry
MAX_PURCHASE: Final = 10**12
_HIGH: Final = 10**9

_AMOUNT: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


def units_of(text: str) -> int:
    """Convert an amount, plain digits with an optional fraction, to units.

    Raises:
        ValueError: the text is no amount, too fine, or too much; the error's text says which.
    """
    match = _AMOUNT.fullmatch(text)
    if not match:
        raise ValueError("not plain digits with an optional fraction, such as 19.90")
    whole, fraction = match[1].lstrip("0"), (match[2] or "").rstrip("0")
    # Lengths are checked first: Python refuses to read integers of thousands of digits.
    if len(fraction) > 4:
        raise ValueError("not a multiple of 0.0001")
    return _checked(int(whole or "0") * UNITS + int(fraction.ljust(4, "0")) if len(whole) <= 13 else None)


def units_of_number(text: str) -> int:
    """Convert the text of a JSON number as `units_of` does, after rounding away the noise of a float.

    Sums of a program's floats look like 59.800000000000004 or 0.09999999999999999. Noise is less than 10^-8 away from a multiple
    of 0.0001: four zeros, or four nines and more, behind the fourth digit of the fraction.

    Raises:
        ValueError: as `units_of`.
    """
    whole, _, fraction = text.partition(".")
    noise = fraction[4:].rstrip("0")
    if len(noise) > 4 and whole.isdecimal() and fraction.isdecimal() and text.isascii():
        if noise.startswith("0000"):
            return units_of(f"{whole}.{fraction[:4]}")
        if noise.startswith("9999"):
            whole = whole.lstrip("0")
            # Lengths are checked first, as above; the digits are in range only if there are few.
            return _checked(int(f"{whole or 0}{fraction[:4]}") + 1 if len(whole) <= 13 else None)
    return units_of(text)


def _checked(units: int | None) -> int:
    """Refuse too large an amount; None stands for one of more digits than need to be read."""
    if units is None or units > MAX_PURCHASE * UNITS:
        raise ValueError("more than 10^12")
    return units


def is_currency(text: str) -> bool:
    """Tell if a text is three letters A to Z."""
    return _CURRENCY.fullmatch(text) is not None


def split_units(units: int) -> tuple[int, int]:
    """Split units into the high and the low part of a stored sum."""
    return divmod(units, _HIGH)


def join_units(high: int, low: int) -> int:
    """Join the two parts of a stored sum; low may have grown past 10^9."""
    return high * _HIGH + low


def text_of(units: int) -> str:
    """Format units as a JSON number, exact at any size, with no more digits than needed."""
    whole, fraction = divmod(units, UNITS)
    return f"{whole}.{fraction:04}".rstrip("0") if fraction else str(whole)
