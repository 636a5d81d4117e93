def main(target: str) -> dict[str, object]:
    return {"target": target, "changes": 3}
