from dataclasses import dataclass
from typing import Literal


@dataclass
class Place:
    """Where somebody wants to know the weather."""

    name: str
    """What people call it."""
    height: int = 0
    """Metres above the sea."""


@dataclass
class Reading:
    day: int
    temperature: float


@dataclass
class Forecast:
    place: str
    unit: str
    readings: list[Reading]


def main(place: Place, days: int = 3, unit: Literal["celsius", "fahrenheit"] = "celsius") -> Forecast:
    """Foretells the weather of some days.

    Args:
        days: how many
    """
    readings = []
    for day in range(1, days + 1):
        celsius = 20 + day - place.height * 0.0065
        temperature = celsius if unit == "celsius" else celsius * 9 / 5 + 32
        readings.append(Reading(day, round(temperature, 1)))
    print(f"{place.name}: {len(readings)} days in {unit}")
    return Forecast(place.name, unit, readings)
