"""How many crates a harvest fills."""

import math


def main(kilos: float, size: float = 20) -> dict[str, int]:
    """Crates of `size` kilos that hold so many."""
    if size <= 0:
        raise ValueError("a crate holds something: give a size above 0")
    return {"crates": math.ceil(kilos / size)}
