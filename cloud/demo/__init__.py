"""The demonstration: a coordinator and an agent as real processes print a real part, and the result is checked."""
