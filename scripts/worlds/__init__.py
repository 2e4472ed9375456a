"""Random worlds made on the device that trains on them: textures, things, cameras, light, exact depth.

Metres in name only: cameras stand 2.5 to 6 units from what they look at. World axes: z up. Cameras: OpenCV.
Layouts are drawn on the CPU from the world's number alone, pictures are traced where the texture bank lives.
"""
