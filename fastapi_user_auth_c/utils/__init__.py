"""Helpers under the paths that the original gave them."""
