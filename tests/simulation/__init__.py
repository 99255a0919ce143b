"""Agent, coordinator and printer in one process on virtual time, under seeded faults."""
