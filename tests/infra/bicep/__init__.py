"""Bicep without Azure: read, and held against Microsoft's types of resources."""
