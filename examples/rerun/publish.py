"""Publishes a model."""


def main(model: int, target: str) -> str:
    if target != "production":
        raise RuntimeError(f"there is no {target}")
    return f"model {model} is on {target}"
