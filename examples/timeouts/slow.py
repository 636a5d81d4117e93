import time


def main() -> None:
    time.sleep(60)
