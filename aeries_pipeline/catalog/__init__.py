"""What Aeries offers: one value for each resource, and what is derived from it."""
