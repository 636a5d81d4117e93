"""Reads daily weather from the linked data source."""

import mcpanel_step as step

SQL = """
    select to_char(date, 'YYYY-MM') as month, precipitation, temp_max, temp_min
    from weather
    where extract(year from date) between %(first_year)s and %(last_year)s
    order by date
"""


def main(first_year: int, last_year: int) -> dict[str, list[dict]]:
    rows = step.datasource("sample").query(
        SQL, {"first_year": first_year, "last_year": last_year}, max_rows=10_000
    )
    step.log.info("read the daily weather", days=len(rows), truncated=rows.truncated)
    return {"days": list(rows)}
