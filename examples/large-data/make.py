def main(stations: int, hours: int) -> dict:
    measurements = [
        {"station": f"station-{station}", "hour": hour, "celsius": 10 + hour % 11}
        for station in range(stations)
        for hour in range(hours)
    ]
    measurements[7 * hours + 1234]["celsius"] = 99
    samples = [
        {"station": f"station-{station}", "celsius": [10 + hour % 11 for hour in range(22)]}
        for station in range(5)
    ]
    return {"unit": "celsius", "measurements": measurements, "samples": samples}
