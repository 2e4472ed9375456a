"""For a notebook: each mark `# %%` begins a cell. As a script it writes the last cell's picture to a page:
python examples/03_notebook.py, from the root, after 00_three_photos.py."""

# %%
from pathlib import Path

import recon

# %% Bars are drawn below the cell.
scene = recon.load("runs/three_photos/cameras")
with recon.Terminal() as watch:
    result = recon.fit(scene, watch=watch)

# %% As the last value of a cell it is a window into the scene.
recon.show(result, height=480)

# %% Outside of a notebook:
page = Path("runs/three_photos/scene.html")
page.write_text(recon.show(result).page)
print(f"Open {page} in a browser.")
