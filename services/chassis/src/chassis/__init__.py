"""The floor every MCPanel service stands on."""
