"""Readers of file formats that no library here reads: CLI build files and 3MF packages. No geometry."""
