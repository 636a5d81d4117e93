def main(number: int) -> int:
    return number * number
