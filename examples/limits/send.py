def main(number: int) -> str:
    print("sending mail", number)
    return f"mail {number}"
