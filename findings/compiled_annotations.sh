#!/usr/bin/env bash
# Compiled Python converts arguments by their annotations, each compiler otherwise, and loses money on the way.
#
# Guess: annotations stay comments to Cython, and mypyc raises a TypeError for what does not fit.
# Seen on CPython 3.11: for "float" both mypyc (mypy 2.4.1) and Cython 3.3.1 take a Decimal or a large int and go on with the
# nearest float. For "int" mypyc refuses 1.5, and Cython cuts it to 1 without a word.
# A frozen dataclass with slots, which plain Python and Cython copy and pickle, mypyc's can't: copy and pickle restore it
# by setattr, which raises FrozenInstanceError.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python mypy==2.4.1 cython==3.3.1 setuptools==80.9.0

cat >"$folder/plain.py" <<'PYTHON'
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    day: int


def amount(value: float) -> float:
    return value


def count(value: int) -> int:
    return value
PYTHON
(
  cd "$folder"
  for name in by_mypyc by_cython; do cp plain.py "$name.py"; done
  venv/bin/mypyc by_mypyc.py
  venv/bin/cythonize -i -3 by_cython.py
  rm by_mypyc.py by_cython.py
) >"$folder/build.log" 2>&1 || { cat "$folder/build.log" >&2; exit 2; }

PYTHONPATH="$folder" "$folder/venv/bin/python" - >"$folder/seen" <<'PYTHON'
import copy
import importlib
import pickle
from decimal import Decimal

for name in ("plain", "by_mypyc", "by_cython"):
    module = importlib.import_module(name)
    for what, call in {
        "amount(Decimal('0.1'))": lambda: module.amount(Decimal("0.1")),
        "amount(2**53 + 1)": lambda: module.amount(2**53 + 1),
        "count(1.5)": lambda: module.count(1.5),
        "copy": lambda: copy.copy(module.Slot(1)),
        "pickle": lambda: pickle.loads(pickle.dumps(module.Slot(1))),
    }.items():
        try:
            print(f"{name} {what}: {call()!r}")
        except Exception as error:
            print(f"{name} {what}: {type(error).__name__}")
PYTHON

verdict "$folder/seen" <<'RECORD'
plain amount(Decimal('0.1')): Decimal('0.1')
plain amount(2**53 + 1): 9007199254740993
plain count(1.5): 1.5
plain copy: Slot(day=1)
plain pickle: Slot(day=1)
by_mypyc amount(Decimal('0.1')): 0.1
by_mypyc amount(2**53 + 1): 9007199254740992.0
by_mypyc count(1.5): TypeError
by_mypyc copy: FrozenInstanceError
by_mypyc pickle: FrozenInstanceError
by_cython amount(Decimal('0.1')): 0.1
by_cython amount(2**53 + 1): 9007199254740992.0
by_cython count(1.5): 1
by_cython copy: Slot(day=1)
by_cython pickle: Slot(day=1)
RECORD
