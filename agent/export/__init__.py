"""Recordings as tables for other programs: CSV, Parquet, and maps as npy."""
