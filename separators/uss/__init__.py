"""Universal source separation: one network, told by a condition what to extract.

Source: Kong et al., "Universal Source Separation with Weakly Labelled Data", arXiv:2305.07447, and its public code and
checkpoints (github.com/bytedance/uss).
"""
