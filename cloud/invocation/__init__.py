"""When functions are invoked and released: estimates learned on the way, and the schedule of a layer. Pure."""

from cloud.invocation.estimates import RunningQuantile
from cloud.invocation.schedule import Invoke, LayerSchedule, Release, Timing

__all__ = ["Invoke", "LayerSchedule", "Release", "RunningQuantile", "Timing"]
