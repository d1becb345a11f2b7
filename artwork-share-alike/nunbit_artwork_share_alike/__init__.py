"""Atlases of OpenMoji and Emoji One (v1), CC BY-SA 4.0; `nunbit.world.artwork` finds them here."""
