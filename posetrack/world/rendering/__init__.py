"""Pictures of triangles: cameras, light, textures, a z-buffer in Numba, lenses and sensors."""
