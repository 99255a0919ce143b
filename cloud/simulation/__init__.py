"""A platform that is a model: its times are drawn from a profile, its results are computed."""
