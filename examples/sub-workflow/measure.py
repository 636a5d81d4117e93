def main(city: str) -> int:
    return len(city)
