"""Three photos without cameras in, a scene out: python examples/00_three_photos.py, from the root."""

import recon

scene = recon.load("examples/photos/input", only=("yard_1", "yard_3", "yard_5"))
with recon.Terminal() as watch:
    scene = recon.solve_cameras(scene, watch=watch)
    result = recon.fit(scene, watch=watch)
recon.export(result, "runs/three_photos", ("ply", "cameras"))
print(f"{len(result.gaussians):,} Gaussians; look at them: recon view runs/three_photos/scene.ply")
