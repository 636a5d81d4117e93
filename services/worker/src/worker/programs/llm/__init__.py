"""Language models: prompts and assistants, with one module to start from for each provider's protocol.

`program` is `llm.openai_api`, `llm.anthropic_api` or `llm.google_api`, so that a cell imports one SDK and no other.
"""
