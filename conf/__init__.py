"""Hydra configs: what a sweep is made of. A package only so that an installed copy brings them along."""
