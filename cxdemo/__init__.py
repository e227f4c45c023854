"""The Contextual Loss as something to use and to see.

Mechrez, Talmi, Zelnik-Manor, ECCV 2018: "The Contextual Loss for Image Transformation with
Non-Aligned Data", arXiv:1803.02077. The loss is in `cxdemo.contextual`, which needs only torch.
"""

__version__ = "0.2.0"
