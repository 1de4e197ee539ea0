"""The packaged recipes, TOML files for ``semantoks pretrain --recipe``."""
