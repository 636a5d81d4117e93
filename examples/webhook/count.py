def main(texts: list[str]) -> int:
    return sum(len(text.split()) for text in texts)
