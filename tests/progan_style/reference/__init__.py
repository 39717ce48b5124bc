"""Training, written out plainly from the papers: what the product is compared with, in float64.

Nothing here comes from progan_style. `step.py` is one step of training on two pages; it reads beside

    chance.py        random numbers, the order of the data, positions
    networks.py      the generators and discriminators, as functions of the tensors in their state dicts
    augmentation.py  the random changes before the discriminator
"""
