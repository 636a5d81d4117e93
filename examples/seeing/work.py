import time

import mcpanel_step as step


def main(name: str, seconds: float = 0.05) -> str:
    step.log.debug("looking around")
    step.log.info("working", name=name, seconds=seconds)
    time.sleep(seconds)
    if seconds > 0.3:
        step.log.warning("that took long", name=name)
    return name
