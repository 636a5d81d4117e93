"""A year of weather, in a browser: the year is chosen with a slider."""

import json
from pathlib import Path

import mcpanel_step as step
import streamlit as st

inputs = json.loads(Path("../inputs.json").read_text())

st.set_page_config(page_title="Weather", layout="wide")
st.title(f"The weather in {inputs['city']}")
year = st.slider("Year", 2012, 2015, inputs["year"])


@st.cache_data
def highs(of: int) -> dict[str, float]:
    """The mean highs of the months of a year, in degrees Celsius."""
    rows = step.datasource("sample").query(
        "select to_char(date, 'MM') as month, avg(temp_max) as high from weather "
        "where extract(year from date) = %(year)s group by month order by month",
        {"year": of},
    )
    step.log.info("somebody looks at a year", year=of)
    return {row["month"]: float(row["high"]) for row in rows}


found = highs(year)
st.bar_chart({"month": list(found), "mean high in °C": list(found.values())}, x="month", y="mean high in °C")
st.caption(f"The warmest month of {year} was month {max(found, key=lambda month: found[month])}.")
