"""Numbers of things in words. Pure."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """The number with its noun: `1 event`, `2 events`; `plural` where it takes more than an s."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
