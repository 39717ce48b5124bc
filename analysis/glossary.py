"""The words of a report and what they mean: the page links to them. The names are those of docs/analysis.md."""

# word, and other ways to write it behind bars -> meaning
GLOSSARY = {
    "reference classifier": "An independent classifier of the real training slices at this size. No generator ever "
    "sees it, and it never sees a generated slice. Features are its own, unless a name says otherwise.",
    "held-out|held-out real people": "Of people whom neither the generator nor the reference classifier was trained "
    "on.",
    "real-vs-real baseline|baseline": "The same number with real training slices in the place of generated ones: what "
    "two real samples differ by. On average it cannot be beaten.",
    "95 %|interval": "Where the number would lie in 95 of 100 draws of as many other people: the middle 95 % over "
    "random halves of the people.",
    "out of range": "Outside of the 95 % of the reference beside it. KID and the Frechet distance: above that "
    "reference by more than chance, by its 95 % and their own together.",
    "control": "The same number where the answer is known: with shuffled labels, an untrained generator, planted "
    "copies.",
    "shuffled labels|shuffled": "A control: the classes are dealt out by chance, so that nothing can be found.",
    "untrained generator": "A control: the same network before its first step, the other end of the scale.",
    "planted copies": "A control: training slices that are given to the copy check as if they were generated, as they "
    "are or moved, turned, brightened, saved again.",
    "false alarms|false-alarm rate": "Held-out people's slices that the copy check calls copies. It is about 1 % with "
    "many people, and more with few.",
    "closest training slice": "The training slice that is nearest to a slice.",
    "aligned pixels": "Slices in one pose and contrast, by their own moments, so that a shift or a turn does not hide "
    "a copy.",
    "more typical than real people": "Clearer cases of a class than people are. It is no success: the generator draws "
    "types, or likenesses of training persons.",
    "KID": "Kernel distance of two sets of slices in a classifier's features. 0 for equal sets, and by chance below.",
    "Frechet distance": "Distance of two sets of slices by mean and covariance of their features. In small sets it is "
    "too high. In features of Inception it is called FID, and numbers of others do not compare.",
    "FID": "The Frechet distance in features of InceptionV3, which was trained on photographs.",
    "precision": "Share of generated slices that lie among real ones.",
    "recall": "Share of real slices that lie among generated ones: whether all kinds are made.",
    "density": "How many real slices' neighbourhoods a generated slice lies in. 1 for equal sets.",
    "coverage": "Share of real slices that have a generated one in their neighbourhood.",
    "neighbour metrics|neighbours": "The closest slices in a classifier's features; a person's own slices do not "
    "count.",
    "MS-SSIM": "Mean likeness of pairs of slices. Above that of real slices there is less variety.",
    "spectrum|power spectrum|half octave": "How strong detail of each size is. A half octave holds frequencies up to "
    "1.4 times its lowest.",
    "cycles per image|cycles per mm": "Spatial frequency: light and dark stripes along the side of a slice, or per "
    "millimetre.",
    "AUC": "The probability that a slice of one class is ranked above one of another. 0.5 is chance, 1 is right.",
    "label fidelity": "How well the reference classifier tells the class that a generated slice was asked for.",
    "calibration error": "How far a classifier's confidence is from how often it is right.",
    "TSTR": "Trained on synthetic slices, tested on real ones: a classifier that has seen generated slices only.",
    "kNN purity": "Share of a slice's closest slices that have its class.",
    "silhouette": "1 where classes lie apart, 0 where they are mixed.",
    "UMAP": "A map that puts neighbours in many dimensions side by side on paper. Its distances are no measurements.",
    "PCA": "The plane of largest variance.",
    "psi|truncation": "Truncation: how far a slice is pulled towards the centre of its class. 1 not at all, 0 wholly.",
    "EMA": "The exponential moving average of the generator's weights, which is what is sampled.",
    "seed|seeds": "A number from which a slice's latent and noise are drawn. The same seed is the same slice.",
    "latent|latents": "The random numbers that a slice is made from.",
    "same z": "The same latent with another class.",
    "same w": "The same style, moved along the one direction that leads from class to class.",
    "phantoms|phantom": "The built-in data set: synthetic slices whose truth is known. No person was scanned for it.",
    "ventricles|ventricle ratio": "Fluid-filled spaces that grow as the brain shrinks; here their area over the "
    "brain's, measured in the pixels.",
    "D|discriminator": "The network that tells real from generated slices in training.",
    "gray levels|gray level": "Steps of brightness of an 8-bit picture, 0 black to 255 white.",
    "Loss_D": "The discriminator's loss.",
    "Loss_G": "The generator's loss.",
    "Real Class Acc": "Share of real slices whose class the discriminator's class head names. A constant answer "
    "reaches the share of the largest class.",
    "Real Pred": "The discriminator's mean probability that a real slice is real (or of a pair, which one). At 0.5 it "
    "is guessing.",
}
