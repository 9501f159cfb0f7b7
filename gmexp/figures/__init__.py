"""Figures from artefacts: one file per figure, named in one table. Equal artefacts give equal bytes.

    figure       what a figure is: `Figure`, `Section`
    catalogue    FIGURES, the visible table; plugins; drawing all of a study's
    data         `StudyData`: each artefact of a study, read once, as records
    records      the parts of artefacts that figures and pages show
    style        style, colours, canvas, axes, legend
    marks        dots of runs, means and intervals, published values
    words        goals and labels as text
    bench        the benchmarks' figures (not of a study)

All others are figures. Nothing here needs torch or numba.
"""
