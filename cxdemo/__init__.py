"""The Contextual Loss as something to use and to see.

Mechrez, Talmi, Zelnik-Manor: "The Contextual Loss for Image Transformation with Non-Aligned Data",
ECCV 2018, arXiv:1803.02077. The loss itself is in `cxdemo.contextual`, a file that needs only torch.
"""
