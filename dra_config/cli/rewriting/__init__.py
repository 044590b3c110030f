"""Changing a manifest at a few places, while everything else in it stays byte for byte."""
