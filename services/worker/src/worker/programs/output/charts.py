"""Charts by Vega-Lite, drawn without a browser and without a network."""

import copy
from typing import Any

import mcpanel_step as step
from programs.failures import Failed

_MOST_ROWS = 100_000


def write(settings: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Draws the chart; its artifacts' records. Raises Failed."""
    import vl_convert  # noqa: PLC0415  # large; reports do without

    name, wanted = settings.get("name") or "chart", settings.get("format") or "svg"
    spec = _with_data(settings["vega_lite"], inputs)
    stored = []
    try:
        if wanted in ("svg", "both"):
            svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
            stored.append(step.artifact(f"{name}.svg", svg.encode(), "image/svg+xml"))
            if len(svg) < 48 * 1024:
                step.preview({"image/svg+xml": svg})
        if wanted in ("png", "both"):
            png = vl_convert.vegalite_to_png(spec, scale=settings.get("scale", 2.0), allowed_base_urls=[])
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
    named = spec.get("data", {})
    if not named.keys() - {"name"}:
        rows = inputs.get("rows")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Failed("the chart needs the input 'rows', a list of objects", "INVALID_INPUT")
        if len(rows) > _MOST_ROWS:
            raise Failed(f"the chart has {len(rows):,} rows, more than {_MOST_ROWS:,}; aggregate them first")
        spec["data"] = {**named, "values": rows}
    return spec


def _remote(value: Any, path: str = "") -> str:
    """Where in a specification something is to be loaded from elsewhere; empty when nothing is."""
    if isinstance(value, dict):
        if path.endswith("data") and "url" in value:
            return f"{path}.url"
        return next((found for key, one in value.items() if (found := _remote(one, f"{path}.{key}"))), "")
    if isinstance(value, list):
        return next((found for one in value if (found := _remote(one, path))), "")
    return ""
