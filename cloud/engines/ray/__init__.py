"""Workers as actors of a Ray cluster: Ray places them and says when one is gone; windows go over our own link."""

from cloud.engines.ray.engine import RayEngine, ray_engine

__all__ = ["RayEngine", "ray_engine"]
