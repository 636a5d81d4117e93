"""Renders monthly weather as a Markdown report and an SVG chart."""

import mcpanel_step as step

WIDTH, HEIGHT, EDGE = 960, 320, 40


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
    """Rain as bars, average highs and lows as lines."""
    slot = (WIDTH - 2 * EDGE) / len(months)
    wettest = max(1, *(month["rain"] for month in months))
    top, bottom = max(month["high"] for month in months), min(month["low"] for month in months)

    def across(index: int) -> float:
        return EDGE + slot * (index + 0.5)

    def up(value: float) -> float:
        return HEIGHT - EDGE - (value - bottom) / max(top - bottom, 1) * (HEIGHT - 2 * EDGE)

    bars = "".join(
        f'<rect x="{EDGE + slot * index + 1:.1f}" y="{HEIGHT - EDGE - tall:.1f}" width="{slot - 2:.1f}" '
        f'height="{tall:.1f}"><title>{month["month"]}: {month["rain"]} mm</title></rect>'
        for index, month in enumerate(months)
        for tall in [month["rain"] / wettest * (HEIGHT - 2 * EDGE)]
    )
    lines = "".join(
        f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
        + " ".join(f"{across(index):.1f},{up(month[key]):.1f}" for index, month in enumerate(months))
        + '"/>'
        for key, colour in (("high", "#c2410c"), ("low", "#1d4ed8"))
    )
    years = "".join(
        f'<text x="{across(index):.1f}" y="{HEIGHT - EDGE / 2:.1f}">{month["month"][:4]}</text>'
        for index, month in enumerate(months)
        if month["month"].endswith("-01")
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="13"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<text x="{EDGE}" y="24">{city}: rain a month (bars), average highs and lows (lines)</text>'
        f'<g fill="#93c5fd">{bars}</g>{lines}{years}</svg>\n'
    )
