"""One module per kind of page: each has ``pages(studio)``, which yields :class:`leaderboard.page.Page`."""
