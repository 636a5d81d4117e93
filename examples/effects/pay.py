import os
import signal

import mcpanel_step as step


def main(amount: int) -> str:
    step.log.info(f"paying {amount} under the key {step.context.idempotency_key}")
    if step.context.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{amount} paid at attempt {step.context.attempt}"
