"""How wrong predictions are: every run of the engine's bench, foretold from the others."""
