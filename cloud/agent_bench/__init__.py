"""What an agent costs the printer's computer: memory, processor and time to be ready, of the installed command."""
