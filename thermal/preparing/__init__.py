"""From the layers of a source to distinct geometries, in memory or in a part's folder."""
