"""Everything that parses, given what nobody should send: only documented errors may leave."""
