"""Charts by Vega-Lite, drawn without a browser and without a network."""

import copy
import re
from typing import Any

import mcpanel_step as step
from programs import listed
from programs.failures import Failed
from programs.output import specifications

_MOST_ROWS = 100_000
_LONGEST_SIDE = 20_000
"""Of a view, as the specification says it, in pixels before scaling."""
_MOST_PIXELS = 50_000_000
"""Of a PNG, after scaling: about 350 MiB to draw it."""
_SIDES = frozenset(
    {"width", "height", "continuousWidth", "continuousHeight", "discreteWidth", "discreteHeight"}
)
_SIZE = re.compile(r'<svg\b[^>]*? width="([\d.]+)" height="([\d.]+)"')


def write(settings: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Draws the chart; its artifacts' records. Raises Failed."""
    import vl_convert  # noqa: PLC0415  # large; reports do without

    name, wanted = settings.get("name") or "chart", settings.get("format") or "svg"
    scale = settings.get("scale", 2.0)
    spec = specifications.without_links(_with_data(settings["vega_lite"], inputs))
    specifications.check(spec)
    _check_sides(spec)
    stored = []
    try:
        svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
        specifications.check_alone(svg)
        if wanted in ("png", "both"):
            _check_pixels(svg, scale)
        if wanted in ("svg", "both"):
            stored.append(step.artifact(f"{name}.svg", svg.encode(), "image/svg+xml"))
            if len(svg) < 48 * 1024:
                step.preview({"image/svg+xml": svg})
        if wanted in ("png", "both"):
            png = vl_convert.vegalite_to_png(spec, scale=scale, allowed_base_urls=[])
            stored.append(step.artifact(f"{name}.png", png, "image/png"))
    except ValueError as error:
        _, _, reason = str(error).strip().partition("\n")  # the first line says only that it failed
        raise Failed(
            f"the chart cannot be drawn: {(reason or str(error)).strip().splitlines()[0][:500]}"
        ) from None
    return {"artifacts": stored}


def _with_data(given: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """The specification with the rows as its data, where it has none of its own. Raises Failed."""
    spec = copy.deepcopy(given)
    if place := _remote(spec):
        raise Failed(f"the chart's {place} would be loaded; give the data as the input 'rows'")
    named = spec.get("data") or {}
    if not isinstance(named, dict):
        raise Failed("the chart's data has to be an object; leave it out, and the data are the input 'rows'")
    if not named.keys() - {"name"}:
        rows = listed.rows(inputs)
        if len(rows) > _MOST_ROWS:
            raise Failed(f"the chart has {len(rows):,} rows, more than {_MOST_ROWS:,}; aggregate them first")
        spec["data"] = {**named, "values": [_drawn(row) for row in rows]}
    return spec


def _drawn(row: dict[str, Any]) -> dict[str, Any]:
    """The row without whole numbers that are too large for a chart."""
    return {
        name: float(one) if isinstance(one, int) and abs(one) >= 2**63 else one for name, one in row.items()
    }


def _check_sides(value: Any, path: str = "") -> None:
    """Raises Failed for a side that would take all memory to draw. What is data, and no view, is not looked at."""
    if isinstance(value, list):
        for number, one in enumerate(value):
            _check_sides(one, f"{path}[{number}]")
    if not isinstance(value, dict):
        return
    for key, one in value.items():
        if key in ("data", "datasets", "values"):
            continue
        place = f"{path}.{key}" if path else str(key)
        step = one.get("step") if isinstance(one, dict) else None
        size = one if step is None else step
        if key in _SIDES and isinstance(size, int | float) and not 0 <= size <= _LONGEST_SIDE:
            raise Failed(
                f"the chart's {place} is {size:,}{'' if step is None else ' a step'}; a side has "
                f"0 to {_LONGEST_SIDE:,} pixels"
            )
        _check_sides(one, place)


def _check_pixels(svg: str, scale: float) -> None:
    """Raises Failed where the picture of the chart, as it came out, would be too large."""
    if found := _SIZE.search(svg[:2000]):
        width, height = (round(float(one) * scale) for one in found.groups())
        if width * height > _MOST_PIXELS:
            raise Failed(
                f"the chart's PNG would have {width:,} × {height:,} pixels (scale {scale:g}), more than "
                f"{_MOST_PIXELS:,}; make it smaller, lower the scale, or take the format svg"
            )


def _remote(value: Any, path: str = "") -> str:
    """Where in a specification something is to be loaded from elsewhere; empty when nothing is."""
    if isinstance(value, dict):
        if path.endswith("data") and "url" in value:
            return f"{path}.url"
        return next((found for key, one in value.items() if (found := _remote(one, f"{path}.{key}"))), "")
    if isinstance(value, list):
        return next((found for one in value if (found := _remote(one, path))), "")
    return ""
