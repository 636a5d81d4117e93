"""Between the contract's messages and the engine's own values. Maps, and decides nothing."""
