"""Measurements, never deployed."""
