"""JSON Schemas (2020-12) of what a script's `main` takes and answers, read from its text; no code is ever executed.

What the text does not tell becomes `{}`, anything: a schema may be looser than the script, never stricter.
"""

from registry.inference.schema import DIALECT, NONE, Schema, ScriptError, Signature

__all__ = ["DIALECT", "NONE", "Schema", "ScriptError", "Signature"]
