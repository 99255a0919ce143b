"""Peers and instruments that tests share."""
