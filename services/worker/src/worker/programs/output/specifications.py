"""What is wrong with a chart's specification, said before it is drawn, by its place."""

import re
from collections.abc import Iterator
from typing import Any, Final

import mcpanel_step as step
from programs.failures import Failed

# fmt: off
_MARKS: Final = (
    "arc", "area", "bar", "boxplot", "circle", "errorband", "errorbar", "geoshape", "image", "line", "point",
    "rect", "rule", "square", "text", "tick", "trail",
)
_CHANNELS: Final = frozenset((
    "angle", "color", "column", "description", "detail", "facet", "fill", "fillOpacity", "href", "key",
    "latitude", "latitude2", "longitude", "longitude2", "opacity", "order", "radius", "radius2", "row",
    "shape", "size", "stroke", "strokeDash", "strokeOpacity", "strokeWidth", "text", "theta", "theta2", "time",
    "tooltip", "url", "x", "x2", "xError", "xError2", "xOffset", "y", "y2", "yError", "yError2", "yOffset",
))
# fmt: on
_TYPES: Final = ("quantitative", "temporal", "ordinal", "nominal", "geojson")
_PARTS: Final = ("layer", "concat", "hconcat", "vconcat")
_VIEWS: Final = ("mark", *_PARTS, "spec")
_DATA: Final = frozenset({"data", "datasets", "values"})
_TAG: Final = re.compile(r'<[A-Za-z](?:[^>"]|"[^"]*")*>')
_ATTRIBUTE: Final = re.compile(r'\s(?!aria-)([\w:-]+)="([^"]*)"')
_URL: Final = re.compile(r"url\(\s*(?:&quot;|')?(?!#|data:)([^)]*)", re.IGNORECASE)
_SHOWN: Final = 200


def check(spec: dict[str, Any]) -> None:
    """Raises Failed for a view without a mark that there is, or with a type of values that there is not."""
    for place, view in _views(spec, ""):
        if not any(one in view for one in _VIEWS):
            raise Failed(
                f"the {place} has nothing to draw: it needs a mark, or views in {', '.join(_PARTS)} or spec"
            )
        if "mark" in view:
            _check_mark(view["mark"], place)
        _check_encoding(view.get("encoding", {}), place)


def _check_mark(mark: Any, place: str) -> None:
    name = mark.get("type") if isinstance(mark, dict) else mark
    if name not in _MARKS:
        said = "the type of the mark is missing" if name is None else f"the mark is {name!r}"
        raise Failed(f"{said} in the {place}; there is {', '.join(_MARKS)}")


def _check_encoding(encoding: Any, place: str) -> None:
    if not isinstance(encoding, dict):
        raise Failed(f"the {place}'s encoding has to be an object")
    for channel, given in encoding.items():
        if channel not in _CHANNELS:
            step.log.warning(f"the {place} has no channel '{channel}', which is left out")
            continue
        for one in given if isinstance(given, list) else [given]:
            if not isinstance(one, dict) and one is not None:
                raise Failed(
                    f'the {place}\'s encoding.{channel} has to be an object, such as {{"field": "city"}}'
                )
            kind = one.get("type", "nominal") if one else "nominal"
            if kind not in _TYPES:
                raise Failed(
                    f"the {place}'s encoding.{channel}.type is {kind!r}; there is {', '.join(_TYPES)}"
                )


def _views(spec: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The views of a specification, each with how it is named to people."""
    place = f"chart's {path}" if path else "chart"
    if not isinstance(spec, dict):
        raise Failed(f"the {place} has to be an object")
    yield place, spec
    for name in _PARTS:
        inside = spec.get(name, [])
        if not isinstance(inside, list):
            raise Failed(f"the {place}'s {name} has to be a list of views")
        for number, one in enumerate(inside):
            yield from _views(one, f"{path}.{name}[{number}]".lstrip("."))
    if "spec" in spec:
        yield from _views(spec["spec"], f"{path}.spec".lstrip("."))


def without_links(value: Any) -> Any:
    """The specification without links: a picture has none."""
    if isinstance(value, list):
        return [without_links(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: one if key in _DATA else without_links(one)
        for key, one in value.items()
        if key != "href" or key in _DATA
    }


def check_alone(svg: str) -> None:
    """Raises Failed for a picture that would load something when it is opened."""
    if "href=" not in svg and "url(" not in svg.lower():
        return
    for tag in _TAG.finditer(svg):
        for name, value in _ATTRIBUTE.findall(tag.group()):
            is_link = name.rpartition(":")[2] == "href" and not value.startswith(("#", "data:"))
            found = value if is_link else next(iter(_URL.findall(value)), "")
            if found:
                raise Failed(
                    f"the chart would load {found[:_SHOWN]} when it is opened; give a picture as a data: URL, or "
                    "leave it out"
                )
