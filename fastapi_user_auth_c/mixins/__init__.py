"""Building blocks for models and admin pages."""
