"""Subclasses of `Method`: what a system does beyond the shared stages. Its settings build them."""
