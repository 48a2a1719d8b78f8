"""The functions of Ertl's estimate (see `hyperloglog.py`), as src/hyperloglog.c of Redis computes them. Pure."""

from functools import lru_cache
from math import sqrt
from typing import Final

from sidedata.sketches.sparse_sketch import REGISTERS

ALPHA_INFINITY: Final = 0.721347520444481703680


@lru_cache(maxsize=REGISTERS + 1)
def sigma_of(zeros: int) -> float:
    """The sum over the registers that are 0, given by their number."""
    return REGISTERS * _sigma(zeros / REGISTERS)


def _sigma(x: float) -> float:
    if x == 1.0:
        return float("inf")
    y, z = 1.0, x
    while True:
        x *= x
        before = z
        z += x * y
        y += y
        if z == before:
            return z


def tau(x: float) -> float:
    """The sum over the largest registers, given by the share of the others."""
    if x in (0.0, 1.0):
        return 0.0
    y, z = 1.0, 1.0 - x
    while True:
        x = sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) ** 2 * y
        if z == before:
            return z / 3.0
