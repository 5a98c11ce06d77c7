"""The AudioSet ontology as a graph, and the label maps of every data set."""

from ontology.graph import Node, Ontology
from ontology.targets import Target

__all__ = ["Node", "Ontology", "Target"]
