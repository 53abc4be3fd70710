"""Watches folders where deliveries arrive, and SFTP servers: each delivery is loaded once, whole and in its order."""
