def main(measurements: list[dict], unit: str) -> dict:
    return max(measurements, key=lambda one: one[unit])
