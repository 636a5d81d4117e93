def main(count: int) -> list[int]:
    return list(range(count))
