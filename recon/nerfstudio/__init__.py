"""recon inside nerfstudio 1.1.5: the method `recon-sparse` and the data parser `recon-photos`.

nerfstudio finds both by the entry points in pyproject.toml; nothing else of the package imports this one.
`fit` and `placed` know nothing of nerfstudio; the other modules are thin layers between it and these.
"""
