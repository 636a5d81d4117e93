def main(number: int, index: int) -> int:
    print(f"item {index} is {number}")
    return number * number
