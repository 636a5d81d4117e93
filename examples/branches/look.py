def main(temperature: float) -> dict[str, bool]:
    return {"warm": temperature > 20, "cold": temperature < 5}
