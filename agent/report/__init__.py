"""A report of a recorded job, or of two beside each other: figures, predictions, and one self-contained page."""
