"""The architectures, chosen by name, and what each of them promises.

A generator and a discriminator are `Growing`: `grow(resolution, alpha)` sets the active size; one that does not grow
accepts its own size and alpha 1.

Generator:
    mapping(z, labels, psi=1.0)     [N, Z], [N] -> ws [N, L, W]; mapping.track(ws, labels) gathers for the class centres
    synthesis(ws, noise=None)       [N, L, W], [N, noise_size] -> images [N, 1, R, R], linear, nominal range [-1, 1]
    features(ws, noise=None)        [N, L, W] -> the last feature map [N, C, R, R]
    active_layers, noise_size       styles and noise numbers in use at the present resolution: two styles and two
                                    noise maps for each of 4, 8, ... R, in this order
Discriminator:
    features(images)                [N, 1, R, R] -> [N, F]; in eval() no image depends on its neighbours
    logits(features, labels)        [N, F], [N] -> [N]
    class_logits(features)          [N, F] -> [N, K]
    label_weight                    0 .. 1, on the device: how much the label counts in logits; mapping has one too
    forward(images, labels)         -> logits [N]
    classify(images)                -> class logits [N, K]

Labels [N] may be class weights [N, K] or, for networks that know the slice's position, conditions [N, K + 1]
(layers.split_condition).

A module with running statistics gathers a step's sums in `sums` and moves them with `settle()`, once a step: the
trainer adds the sums of all ranks in between.

An architecture is one file in this folder and one line in ARCHITECTURES; the contract tests run over it at once. The
file says
    GROWS                           whether it can work below its largest resolution, and fade
    TWICE_DIFFERENTIABLE            whether a gradient of G can be differentiated again (path length regularisation)
"""

from progan_style.networks import stylegan1, stylegan2

ARCHITECTURES = {"stylegan1": stylegan1, "stylegan2": stylegan2}
