"""What belongs to HTTP rather than to users or policy."""
