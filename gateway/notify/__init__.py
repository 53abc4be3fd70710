"""Subscriptions: systems keep them over the API, and a worker tells each of what it may be told."""
