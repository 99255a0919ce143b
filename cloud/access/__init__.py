"""Who may connect: tokens, certificates, and what is remembered of strangers."""
