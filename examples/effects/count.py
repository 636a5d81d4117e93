import os
import signal

import mcpanel_step as step


def main(prices: list) -> int:
    if step.context.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return sum(prices)
