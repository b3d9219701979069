"""After a fine-tune: talk to it, vote blindly, see what it improved, take it away."""

import pytest

from core import gains, jobs, publish
from core.chat import Event, base_of
from core.chat.client import Talker
from tests.conftest import MARKUP
from tests.pages.conftest import button, fine, flags, has_button, press, unescaped, words

VIEW, WAY = "finetune:after", "chat:way"


@pytest.fixture
def spoken(monkeypatch):
    """Stand in for the chat's process, which has tests of its own; note who was asked what."""
    asked = []

    def ask(self, model, talk, sampling):
        asked.append((model, [t["content"] for t in talk], sampling))
        yield Event("load", {})
        said = f"said by {'base' if model.startswith('base:') else 'run'} {MARKUP[0]}"
        yield Event("text", {"text": said[:5]})
        facts = {"text": said, "ended": "length", "tokens": 7, "seconds": 0.1, "cut": 0}
        yield Event("end", facts)

    monkeypatch.setattr(Talker, "ask", ask)
    return asked


def codes(at):
    return [c.value for c in at.code]


def ask(at, text):
    return fine(at.chat_input[0].set_value(text).run())


def test_base_and_run_answer_side_by_side_and_each_has_its_own_past(visit, finished, spoken):
    at = fine(visit(finished.root, "finetune", finetune=finished.finetune))
    run, base = finished.finetune, f"base:{finished.finetune}"
    ask(at, "What is 1 and 2?")
    assert [a[0] for a in spoken] == [base, run]
    assert f"said by base {MARKUP[0]}" in codes(at)
    assert "ended at the longest answer · 7 tokens · 0.1 s" in words(at)
    ask(at, "And 3?")
    assert spoken[-1][1] == ["What is 1 and 2?", f"said by run {MARKUP[0]}", "And 3?"]
    fine(press(at, "A question of the test set"))
    assert len(spoken) == 6
    assert "The answer that the test expects" in [e.label for e in at.expander]
    fine(press(at, "New conversation"))
    assert f"said by base {MARKUP[0]}" not in codes(at)
    assert base_of(finished.workspace.open(run)) == base


def test_a_vote_shows_no_name_before_its_end(visit, finished, spoken):
    at = fine(visit(finished.root, "finetune", finetune=finished.finetune))
    fine(at.segmented_control(key=WAY).set_value("Blind vote").run())
    for prompt, choice in (("one", "The first"), ("two", "Equally"), ("three", "The second")):
        ask(at, prompt)
        assert {"First", "Second"} <= {c.value for c in at.caption}
        fine(press(at, choice))
    assert "3 prompts judged so far." in words(at)
    assert "Win rate" not in [m.label for m in at.metric]
    fine(press(at, "End the vote"))
    facts = {m.label: unescaped(m.value) for m in at.metric}
    assert facts["Ties"] == "1 of 3"
    assert facts["Win rate"].endswith("of 2)")
    (made,) = finished.workspace.made_from(finished.finetune, "vote")
    assert made.summary["votes"] == 3
    assert made.summary["first_won"] == 1


def test_what_it_improved_is_measured_shown_and_read(visit, copied, busy):
    at = fine(visit(copied.root, "finetune", finetune=copied.finetune))
    fine(at.segmented_control(key=VIEW).set_value("What it improved").run())
    busy(copied.workspace)
    fine(press(at, "Measure what it improved"))
    (job,) = jobs.jobs(copied.workspace)
    assert flags(job) == ["gains", "--finetune", copied.finetune]
    jobs.stop(copied.workspace, job.id)
    jobs.wait(copied.workspace, job.id, 60)
    gains.run(copied.workspace, gains.Settings(finetune=copied.finetune, rows=60))
    fine(at.run())
    facts = {m.label: unescaped(m.value) for m in at.metric}
    assert facts["Loss over the pool"].endswith(f"(on 60 of {copied.pool})")
    assert "On rows it was not trained on" in facts
    assert any("scored rows" in str(d.proto.columns) for d in at.dataframe)
    assert "largest change first" in words(at)
    assert [t.value for t in at.text if t.value.startswith("row ")]
    fine(at.segmented_control(key="gains:by").set_value("Source").run())
    assert "Rows of source" in words(at)


def test_it_is_taken_away_by_a_job_to_an_allowed_folder(visit, copied, busy, tmp_path, monkeypatch):
    more = tmp_path / "more"
    more.mkdir()
    monkeypatch.setenv("S2L_EXPORTS", str(more))
    at = fine(visit(copied.root, "finetune", finetune=copied.finetune))
    fine(at.segmented_control(key=VIEW).set_value("Take it away").run())
    fine(at.radio(key="publish:form").set_value("adapter").run())
    assert "This run trained all weights" in words(at)
    assert not has_button(at, "Write the folder")
    fine(at.radio(key="publish:form").set_value("merged").run())
    at.text_input(key="publish:license").set_value("my licence!").run()
    assert "is no licence id" in unescaped(at.error[0].value)
    fine(at.text_input(key="publish:license").set_value("mit").run())
    fine(at.selectbox(key="publish:below").set_value(more).run())
    busy(copied.workspace)
    fine(press(at, "Write the folder"))
    (job,) = jobs.jobs(copied.workspace)
    place = more / f"{copied.finetune}-merged"
    wanted = ["publish", "--finetune", copied.finetune, "--to", str(place), "--license", "mit"]
    assert flags(job) == [*wanted, "--overwrite", "yes"]
    assert button(at, "Write the folder").disabled
    jobs.stop(copied.workspace, job.id)
    jobs.wait(copied.workspace, job.id, 60)
    settings = publish.Settings(finetune=copied.finetune, to=str(place))
    publish.run(copied.workspace, settings)
    fine(at.run())
    assert "AutoModelForCausalLM" in words(at)
    assert str(place) in codes(at)
