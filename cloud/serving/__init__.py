"""The coordinator's server and one printer's connection, from its messages to the layer that is decided on."""
