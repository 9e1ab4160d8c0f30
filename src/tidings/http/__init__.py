"""The HTTP layer: thin, and talking to the three doors only."""
