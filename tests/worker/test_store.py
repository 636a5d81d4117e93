"""Folders kept by their digests, up to a number of bytes."""

import os
from pathlib import Path

import pytest

from worker.store import Store, remove


@pytest.fixture
def two(tmp_path: Path) -> int:
    """Three folders, `old` used least recently; how many bytes two of them take."""
    store = Store(tmp_path)
    for name in ("old", "middle", "new"):
        draft = store.draft()
        (draft / "content").write_bytes(b"x" * 100_000)
        assert store.publish(draft, name)
    return 2 * int((tmp_path / "new" / ".size").read_text())


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_used_least_recently_goes_first(tmp_path: Path, two: int) -> None:
    remove(Store(tmp_path, limit=two).evict())

    assert _names(tmp_path) == ["middle", "new"]


def test_finding_something_is_using_it(tmp_path: Path, two: int) -> None:
    store = Store(tmp_path, limit=two)

    assert store.find("old") == tmp_path / "old"
    remove(store.evict())

    assert _names(tmp_path) == ["new", "old"]
    assert store.find("middle") is None


def test_what_is_in_use_stays_whatever_its_size(tmp_path: Path, two: int) -> None:
    store = Store(tmp_path, limit=0, in_use=lambda: {"old"})

    with store.using("middle"):
        remove(store.evict())

    assert _names(tmp_path) == ["middle", "old"]


def test_what_another_worker_holds_stays(tmp_path: Path, two: int) -> None:
    other = Store(tmp_path)
    held = other.find("old")

    remove(Store(tmp_path, limit=0).evict())

    assert held is not None
    assert _names(tmp_path) == ["old"]


def test_what_a_killed_worker_left_goes_after_a_day(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=10**9)
    left, fresh = store.draft(), store.draft()
    os.utime(left, (0, 0))

    remove(store.evict())

    assert _names(tmp_path) == [fresh.name]


def test_without_a_limit_everything_stays(tmp_path: Path, two: int) -> None:
    assert Store(tmp_path).evict() == []
    assert len(_names(tmp_path)) == 3


def test_of_two_drafts_for_one_digest_the_first_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for text in ("first", "second"):
        draft = store.draft()
        (draft / "content").write_text(text)
        assert store.publish(draft, "a")
        remove([draft])

    assert (tmp_path / "a" / "content").read_text() == "first"
    assert _names(tmp_path) == ["a"]
