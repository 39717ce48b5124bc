"""The built-in data set: brain slices of persons who never lived, with AD-like atrophy that is known for each image.

Made from the ICBM152 2009a symmetric template (T1, grey and white matter at 1 mm) that ships inside nilearn: nothing
is downloaded. A phantom person is that template seen through

    a small affine and a smooth random deformation at three scales (about 40, 15 and 6 mm), with an explicit left-right
    asymmetry, because the template itself is symmetric and is one average anatomy;
    atrophy: tissue pushed away from the lateral ventricles, and outer cortical grey matter turned into CSF;
    tissue contrasts, a receiver's bias field and Rician noise.

How far the ventricles open follows the person's severity s, drawn from one of two overlapping normals (CN, AD), so the
best possible accuracy is known: Phi(d' / 2), d' being the distance of the means in standard deviations.

Where the atrophy sits is the pattern: `ventricular` opens the whole of the ventricles, `frontal` their frontal horns
and the sulci of the frontal lobe, as frontotemporal dementia does. The class of the patients is called AD in both.
Person i of a seed has the same severity and, but for the atrophy, the same head in both: persons who must differ, as in
a transfer from one pattern to the other, need another seed.

With people, everyone has an age and a sex. AD patients are 8 years older, as in most studies. Age opens the ventricles
by 0.114 mm a year, wherever they are, and thins the cortex by 0.01 mm a year; the disease opens two thirds of what it
opens without ages. So a third of the difference between the classes' ventricles is age (with the overlap clear). Men's
heads are 5 % longer than women's. The manifest tells for each slice what the ventricle ratio would be, were the person
of 69 years, and of 79: so the disease at equal age, and ten years of age, are known.

Pictures are axial, nose up, in the neurological convention (the person's left is on the left), 0.88 mm per pixel at
256 x 256.

Run as a program it writes such a folder:
    python -m progan_style.phantoms --to DIR [--persons N --slices K --seed S --overlap apart|clear|real --size 256
        --pattern ventricular|frontal --people --years-older 8]
"""
