"""What identity decides: pure functions over plain values; time, ids and randomness are arguments."""
