"""What makes runs happen: jobs, sensors, and the configuration of an instance."""
