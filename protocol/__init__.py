"""What crosses the wire between agent and coordinator: messages, limits, and the state of a session. Pure."""
