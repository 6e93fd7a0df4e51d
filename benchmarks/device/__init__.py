"""Phones over adb: what they are, and one bundle run over one clip on them."""
