def main(values: list) -> int:
    return next(value for value in values if value is not None)
