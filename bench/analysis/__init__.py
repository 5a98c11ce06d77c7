"""Walk, detect, dispatch, extract: the scene tree of one recording."""
