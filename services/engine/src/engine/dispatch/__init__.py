"""Moving runs on: transitions in transactions, steps to workers, results back, and recovery from whatever got lost."""
