"""Lanes: which workers may have a step. A lane is a component type and what else the step asks of its worker."""

from functools import lru_cache
from typing import NamedTuple

from engine.plan import ANYWHERE, Place, PlannedStep


class Lane(NamedTuple):
    """What a worker must be able to do, and have to spare, for a step."""

    kind: str
    place: Place = ANYWHERE


@lru_cache(maxsize=4096)
def name(kind: str, place: Place = ANYWHERE) -> str:
    """The lane's name, e.g. `PYTHON_SCRIPT` or `PYTHON_SCRIPT;pool=gpu;labels=cuda,large;cpus=2;memory=1073741824`."""
    parts = [kind]
    if place.pool:
        parts.append(f"pool={place.pool}")
    if place.labels:
        parts.append(f"labels={','.join(sorted(place.labels))}")
    if place.cpus:
        parts.append(f"cpus={place.cpus:g}")
    if place.memory_bytes:
        parts.append(f"memory={place.memory_bytes}")
    return ";".join(parts)


@lru_cache(maxsize=4096)
def parse(text: str) -> Lane:
    """The lane of a name."""
    kind, *rest = text.split(";")
    wanted = dict(part.split("=", 1) for part in rest)
    labels = tuple(wanted["labels"].split(",")) if "labels" in wanted else ()
    place = Place(wanted.get("pool", ""), labels, float(wanted.get("cpus", 0)), int(wanted.get("memory", 0)))
    return Lane(kind, place)


@lru_cache(maxsize=4096)
def in_words(lane: str) -> str:
    """What a lane asks of its worker, e.g. `PYTHON_SCRIPT in pool 'gpu' with label 'cuda' and 2 processors`."""
    kind, place = parse(lane)
    wanted = []
    if place.labels:
        word = "label" if len(place.labels) == 1 else "labels"
        wanted.append(f"{word} {_listed([repr(one) for one in place.labels])}")
    if place.cpus:
        wanted.append(f"{place.cpus:g} processor" + ("" if place.cpus == 1 else "s"))
    if place.memory_bytes:
        wanted.append(f"{_bytes(place.memory_bytes)} of memory")
    pool = f" in pool '{place.pool}'" if place.pool else ""
    return kind + pool + (f" with {_listed(wanted)}" if wanted else "")


def _listed(words: list[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _bytes(count: int) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return f"{count} bytes"


def lane_of(step: PlannedStep) -> str:
    """The name of the lane a step waits in."""
    return step.kind if step.place is ANYWHERE else name(step.kind, step.place)
