"""Renders monthly weather as a Markdown report and an SVG chart."""

import math
from html import escape

import mcpanel_step as step

WIDTH, HEIGHT = 960, 420


def main(city: str, months: list[dict]) -> dict[str, str]:
    step.progress(0.1, "writing the report")
    warmest = max(months, key=lambda month: month["high"])
    wettest = max(months, key=lambda month: month["rain"])
    text = report(city, months, warmest, wettest)
    step.artifact("report.md", text.encode(), "text/markdown")
    step.progress(0.6, "drawing the chart")
    step.artifact("chart.svg", chart(city, months).encode(), "image/svg+xml")
    step.preview({"warmest": warmest, "wettest": wettest})
    return {"text": text, "warmest_month": warmest["month"], "wettest_month": wettest["month"]}


def report(city: str, months: list[dict], warmest: dict, wettest: dict) -> str:
    """The report: one line a year, and what stands out."""
    lines = [
        f"# The weather in {city}, {months[0]['month'][:4]} to {months[-1]['month'][:4]}",
        "",
        f"The warmest month was {warmest['month']} (average high {warmest['high']} °C), "
        f"the wettest {wettest['month']} ({wettest['rain']} mm).",
        "",
        "| year | rain, mm | average high, °C | average low, °C |",
        "|---|---:|---:|---:|",
    ]
    for year in sorted({month["month"][:4] for month in months}):
        those = [month for month in months if month["month"].startswith(year)]
        days = sum(month["days"] for month in those)
        high, low = (sum(month[key] * month["days"] for month in those) / days for key in ("high", "low"))
        lines.append(f"| {year} | {sum(month['rain'] for month in those):.0f} | {high:.1f} | {low:.1f} |")
    return "\n".join(lines) + "\n"


def chart(city: str, months: list[dict]) -> str:
    """Rain as bars on the right axis, the band between average highs and lows on the left one."""
    left, right, top, bottom = 60, WIDTH - 68, 84, HEIGHT - 44
    slot = (right - left) / len(months)
    coldest, warmest, step_by = scale(min(m["low"] for m in months), max(m["high"] for m in months))
    _, wettest, rain_by = scale(0, max(m["rain"] for m in months) * 1.6)  # the bars stay in the lower part

    def x(index: float) -> float:
        return left + slot * index

    def y(degrees: float) -> float:
        return bottom - (degrees - coldest) / (warmest - coldest) * (bottom - top)

    def line(key: str) -> list[str]:
        return [f"{x(index + 0.5):.1f},{y(month[key]):.1f}" for index, month in enumerate(months)]

    parts = [
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="12" fill="#fffdf9"/>',
        f'<text x="{left}" y="34" font-size="20" font-weight="600" fill="#1c1917">The weather in {escape(city)}</text>',
        f'<text x="{left}" y="56">{months[0]["month"]} to {months[-1]["month"]}, by month</text>',
    ]
    for degrees in range(coldest, warmest + 1, step_by):
        parts.append(f'<path d="M{left} {y(degrees):.1f}H{right}" stroke="#e7e5e4"/>')
        parts.append(f'<text x="{left - 8}" y="{y(degrees) + 4:.1f}" text-anchor="end">{degrees} °C</text>')
    for index, month in enumerate(months):
        tall = month["rain"] / wettest * (bottom - top)
        parts.append(
            f'<rect x="{x(index) + slot * 0.15:.1f}" y="{bottom - tall:.1f}" width="{slot * 0.7:.1f}" '
            f'height="{tall:.1f}" rx="2" fill="#7cb0dd"><title>{month["month"]}: {month["rain"]} mm</title></rect>'
        )
        if month["month"].endswith("-01"):
            parts.append(f'<path d="M{x(index):.1f} {bottom}v8" stroke="#a8a29e"/>')
            parts.append(f'<text x="{x(index) + 4:.1f}" y="{bottom + 20}">{month["month"][:4]}</text>')
    for rain in range(0, int(wettest / 1.6) + 1, rain_by):
        height = bottom - rain / wettest * (bottom - top)
        parts.append(f'<text x="{right + 8}" y="{height + 4:.1f}" fill="#3f7fb5">{rain} mm</text>')
    band = " ".join(line("high") + line("low")[::-1])
    parts.append(f'<polygon points="{band}" fill="#f59e0b" fill-opacity="0.22"/>')
    for key, colour in (("high", "#d9480f"), ("low", "#1864ab")):
        parts.append(
            f'<polyline points="{" ".join(line(key))}" fill="none" stroke="{colour}" stroke-width="2" '
            'stroke-linejoin="round"/>'
        )
    parts.append(f'<path d="M{left} {bottom}H{right}" stroke="#a8a29e"/>')
    for index, (colour, label) in enumerate(
        (("#d9480f", "average high"), ("#1864ab", "average low"), ("#7cb0dd", "precipitation"))
    ):
        across = right - 360 + index * 122
        parts.append(f'<rect x="{across}" y="25" width="14" height="10" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{across + 20}" y="34">{label}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-size="12" fill="#57534e" '
        f'font-family="system-ui, sans-serif" role="img">{"".join(parts)}</svg>\n'
    )


def scale(low: float, high: float) -> tuple[int, int, int]:
    """An axis that holds both values: where it begins and ends, and the round distance of its lines."""
    by = next((by for by in (1, 2, 5, 10, 20, 50, 100, 200) if (high - low) / by <= 7), 500)
    begin, end = math.floor(low / by) * by, math.ceil(high / by) * by
    return begin, max(end, begin + by), by
