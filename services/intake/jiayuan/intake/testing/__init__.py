"""What tests and trials of intake need beside it."""
