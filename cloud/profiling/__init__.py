"""What a platform is like, measured: few samples, more where they spread, every value with its interval."""
