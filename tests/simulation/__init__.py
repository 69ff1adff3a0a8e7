"""Restores under a scheduler that makes everything go wrong, in a world made of memory.

`python -m tests.simulation` runs seeds; a seed that fails is printed, and fails again the same way.
"""
