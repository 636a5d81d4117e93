"""A list that is never changed but replaced, of which most stays the same: an update copies a block or two."""

from collections.abc import Iterator
from typing import Final, Generic, TypeVar, cast

T = TypeVar("T")

_SIZE: Final = 256


class _Absent:
    """What stands where nothing was put yet."""

    __slots__ = ()


_ABSENT: Final = _Absent()


class Blocks(Generic[T]):
    """`total` places, each empty until something is put there."""

    __slots__ = ("_blocks", "total")

    def __init__(self, total: int) -> None:
        self.total = total
        self._blocks: list[list[T | _Absent] | None] = [None] * -(-total // _SIZE)

    def put(self, changes: dict[int, T]) -> "Blocks[T]":
        """A list with these places changed. Raises IndexError."""
        new: Blocks[T] = Blocks.__new__(Blocks)
        new.total = self.total
        new._blocks = list(self._blocks)
        copied: set[int] = set()
        for index, value in changes.items():
            if not 0 <= index < self.total:
                raise IndexError(index)
            number, place = divmod(index, _SIZE)
            block = new._blocks[number]
            if number not in copied:
                block = new._blocks[number] = [_ABSENT] * _SIZE if block is None else list(block)
                copied.add(number)
            cast("list[T | _Absent]", block)[place] = value
        return new

    def has(self, index: int) -> bool:
        """Whether something was put at `index`; there need not be such a place."""
        if not 0 <= index < self.total:
            return False
        block = self._blocks[index // _SIZE]
        return block is not None and block[index % _SIZE] is not _ABSENT

    def __iter__(self) -> Iterator[T | None]:
        """Every place in order; None for empty ones."""
        for index in range(self.total):
            block = self._blocks[index // _SIZE]
            value = None if block is None else block[index % _SIZE]
            yield None if isinstance(value, _Absent) else value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blocks) and self.total == other.total and list(self) == list(other)

    def __hash__(self) -> int:
        return hash((self.total, tuple(self)))
