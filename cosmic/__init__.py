"""What every package stands on: the version, the errors, configuration and commands. Imports none of them."""

__version__ = "0.1.0"
