"""The action log and its proofs."""
