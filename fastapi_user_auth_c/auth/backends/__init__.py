"""Token stores: where tokens live and what they mean."""
