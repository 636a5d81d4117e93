import time


def main(word: str) -> int:
    print("computing", word)
    time.sleep(0.5)
    return len(word)
