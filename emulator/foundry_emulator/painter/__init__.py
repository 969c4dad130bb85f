"""Procedural illustration: from the words of a prompt to a picture, without a model."""
