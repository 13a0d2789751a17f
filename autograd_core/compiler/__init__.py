"""`compile`: record the NumPy calls of one step, fuse them, replay them."""
