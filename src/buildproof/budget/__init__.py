"""The budget of one machine: what all builds on it are promised together, whoever runs them."""
