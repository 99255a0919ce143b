"""The paper's evaluation (papers/cosmic.txt, section 5) on the real controller, and what we add to it."""
