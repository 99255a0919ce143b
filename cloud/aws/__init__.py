"""Amazon's cloud: packaging the worker, creating and removing functions, running them."""
