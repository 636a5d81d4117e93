def main(text: str, length: int) -> str:
    return f"{text!r} has {length} letters"
