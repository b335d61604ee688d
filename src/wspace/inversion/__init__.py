"""Pictures of the world to recipes: the w that a model draws them from."""
