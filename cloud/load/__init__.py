"""How many printers a coordinator serves: light printers over real sockets, and the search for the number."""
