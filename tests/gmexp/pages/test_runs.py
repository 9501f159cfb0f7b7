"""Every run of a study on its page: its rates, six episodes, and the command that films them."""

import re

from gmexp.figures.data import StudyData
from gmexp.pages import runs


def test_every_run_is_there_with_what_it_did(finished):
    text = runs.section(StudyData(finished))
    assert re.findall(r'id="run-([^"]+)"', text) == [run.run_id for run in finished.runs()]
    assert text.count("<table>") == 16 and text.count("<caption>Rates of the run") == 8
    assert "the end at step" in text and "train seed 2" in text


def test_films_are_files_beside_the_page_that_load_when_they_are_played(study):
    data = StudyData(study)
    row = re.search(r'badge proxy_goal">proxy goal</span></td><td data-label="Level" class="n">(\d+)', runs.section(data))
    (clip, *_) = sorted(study.clips("d0-s0").glob("*.gif"))
    film = clip.rename(clip.with_name(f"shift3-proxy_goal-level{row[1]}.mp4"))
    film.with_suffix(".json").write_text(f'{{"outcome": "proxy_goal", "level_seed": {row[1]}, "caption": "goes there"}}')
    text = runs.section(data)
    assert f'<source src="runs/d0-s0/episodes/{film.name}" type="video/mp4">' in text
    assert 'preload="none"' in text and "autoplay" not in text and "controls" in text
    film.rename(film.with_suffix(".gif"))
    film.with_suffix(".jpg").write_bytes(b"still")
    text = runs.section(data)
    assert re.search(r'<source srcset="runs/d0-s0/episodes/[^"]+jpg" media="\(prefers-reduced-motion: reduce\)">', text)


def test_where_films_are_missing_the_command_is_said(study):
    data = StudyData(study)
    for run in study.runs():
        for path in study.clips(run.run_id).glob("*"):
            path.unlink()
    text = runs.section(data)
    assert "gmexp run experiment=synthetic out=." in text and "gmexp report study=. films=6" in text
    for run in study.runs():
        study.checkpoint(run.run_id).write_bytes(b"weights")
    text = runs.section(data)
    assert "gmexp run" not in text and "gmexp report study=. films=6" in text


def test_the_command_is_that_of_the_study_where_the_reader_is():
    made = {"experiment": "budget", "provenance": {"command": "gmexp run experiment=budget env.mode=hard workers=2 "
                                                              "out=results/budget 'reuse=[results/quickstart]'"}}
    assert runs.again(made) == "gmexp run experiment=budget env.mode=hard out=."
    assert runs.again({"experiment": "mine", "provenance": None}) == "gmexp run experiment=mine out=."
