"""The AudioSet ontology as a graph, and the label maps of every data set."""
