"""Numbers of things, as people say them."""


def counted(number: int, thing: str) -> str:
    """The number with the thing's word as it goes with it: `1 run`, `2 runs`, `1,000 steps`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
