def main(rows: list[dict]) -> list[dict]:
    """Sum the kilos up by fruit, the most first."""
    totals: dict[str, int] = {}
    for row in rows:
        totals[row["fruit"]] = totals.get(row["fruit"], 0) + row["kilos"]
    print(len(rows), "rows,", len(totals), "kinds of fruit")
    return [
        {"fruit": fruit, "kilos": kilos} for fruit, kilos in sorted(totals.items(), key=lambda one: -one[1])
    ]
