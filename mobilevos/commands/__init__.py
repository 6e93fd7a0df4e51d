"""The commands of `mobilevos`, one file each, and what they share with the other programs of the project."""
