def main(text: str) -> dict[str, list[str]]:
    """Cut a text into its words."""
    return {"words": text.split()}
