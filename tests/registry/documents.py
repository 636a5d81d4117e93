"""Documents of small workflows."""


def document(name: str, component: str, **more: str) -> str:
    """A small workflow; `more` are lines to put at its end."""
    steps = f"name: {name}\nsteps:\n  - id: a\n    component: {component}\n    with: {{city: Seattle}}\n"
    return steps + "".join(f"{key}: {value}\n" for key, value in more.items())
