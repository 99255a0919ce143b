"""What to compute next for a layer, and which cell to scan in which window. Pure."""
