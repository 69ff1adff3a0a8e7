"""The terminal: the API of the function app, for a person or a script."""
