"""The convolutions of a bundle as its artefacts hold them, read by each format's own means, and what they compute.

`reading` opens a bundle, `found` is what comes out, and each format has a file.
"""
