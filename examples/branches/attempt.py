def main(name: str, works: bool = True) -> str:
    if not works:
        raise RuntimeError(f"this {name} is broken")
    return name
