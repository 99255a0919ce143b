"""A recorded job printed again through the agent's own code: same maps, same times, another decider."""
