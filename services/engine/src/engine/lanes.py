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


def lane_of(step: PlannedStep) -> str:
    """The name of the lane a step waits in."""
    return step.kind if step.place is ANYWHERE else name(step.kind, step.place)
