"""The HTTP layer. It is thin and calls only the write, read and live services."""
