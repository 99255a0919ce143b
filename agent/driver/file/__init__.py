"""A machine that takes build files only: each layer's file is written back with its hatches in another order."""

from agent.driver.file.printer import BuildFilePrinter

__all__ = ["BuildFilePrinter"]
