import mcpanel_step as step


def main() -> int:
    attempt = step.context.attempt
    if attempt < 3:
        raise ConnectionError(f"attempt {attempt} found nobody at home")
    return attempt
