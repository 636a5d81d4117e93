"""The step library: what user code imports to talk to the platform. Runs inside cells only."""
