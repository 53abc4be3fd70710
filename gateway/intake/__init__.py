"""The one door in: whatever a source sends is kept, mapped, checked and written here, and nowhere else."""
