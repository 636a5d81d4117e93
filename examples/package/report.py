def main(words: list[str], separator: str = " and ") -> str:
    """List words."""
    return separator.join(words)
