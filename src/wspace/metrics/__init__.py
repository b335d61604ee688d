"""How good and how varied a generator's pictures are: distances in feature space."""
