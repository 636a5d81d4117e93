"""What the registry decides: pure functions over frozen values."""
