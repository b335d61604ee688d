"""Pictures: reading them for training, building datasets, drawing avatars."""
