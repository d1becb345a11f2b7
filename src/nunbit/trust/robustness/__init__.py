"""What moves an answer that should not move: corruptions of pictures, and adversarial noise.

=============  =======================================================================================================
`attacks`      projected gradient descent within a bound on every pixel
`corruptions`  noise, blur, JPEG, brightness, contrast and occlusion at five strengths
`pixels`       a contrastive model as a function of its pixels, so that gradients reach them
=============  =======================================================================================================

`nunbit.studies.robustness` measures with them; `nunbit.recipes.fare` trains against them.
"""
