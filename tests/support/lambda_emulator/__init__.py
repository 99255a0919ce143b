"""AWS Lambda emulated: its Invoke API in front, the real runtime client in a process per environment behind."""

from tests.support.lambda_emulator.delays import paper_delays_ms
from tests.support.lambda_emulator.emulator import Function, LambdaEmulator, Usage

__all__ = ["Function", "LambdaEmulator", "Usage", "paper_delays_ms"]
