"""The handlers, a module per resource; each ends with its rows of the route table."""
