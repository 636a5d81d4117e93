def main(city: str, letters: int, mark: str) -> str:
    return f"{city} has {letters} letters{mark}"
