import time

import mcpanel_step as step


def main() -> str:
    if step.context.attempt == 1:
        time.sleep(60)
    step.log.info("here I am")
    return f"at attempt {step.context.attempt}"
