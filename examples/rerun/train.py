"""Trains a model, slowly."""

import time


def main() -> dict:
    print("training")
    time.sleep(0.5)
    return {"model": 7}
