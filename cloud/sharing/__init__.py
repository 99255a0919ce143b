"""How printers share one coordinator: which jobs are taken, and whose product is next."""
