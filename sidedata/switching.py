"""The hand-over of the interpreter between threads. Pure."""


def switch_point() -> None:
    """Let another thread run that has waited for the interpreter's lock for 5 ms (`sys.getswitchinterval`).

    Interpreted code does so in each function and each turn of a loop. Code that mypyc compiled (`setup.py`) never does, and would
    keep the lock until it returns. So this module is not compiled, and compiled code that may run for long calls it.
    """
