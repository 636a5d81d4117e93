def main(target: str, changes: int) -> str:
    return f"deployed {changes} changes to {target}"
