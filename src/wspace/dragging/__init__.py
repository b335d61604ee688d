"""Points of a picture dragged elsewhere: the w that draw it so."""
