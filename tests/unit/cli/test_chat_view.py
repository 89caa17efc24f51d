"""What an answer looks like where the user is asked."""

from __future__ import annotations

from autogen_agentchat.messages import TextMessage, UserInputRequestedEvent

from supervisor._cli.chat.view import AnswerView


def answered(view: AnswerView, text: str) -> str:
    """Return what is shown of the message that a proxy makes of an answer."""
    return view.render(TextMessage(source="you", content=text))


def test_an_answer_that_was_typed_is_not_shown_again() -> None:
    """The question is one line; the answer stands below it already, once."""
    view = AnswerView(lambda: None, list)
    view.begin()
    assert view.render(UserInputRequestedEvent(source="you", request_id="1")) == ""
    assert view.question("you: Go on?") == "you: Go on?\n"
    view.note_answer("Yes")
    assert answered(view, "Yes") == ""
    assert answered(view, "Yes").endswith("Yes\n")


def test_a_question_begins_a_line() -> None:
    """Below a message there is an empty line; an empty answer is nothing to look for."""
    view = AnswerView(lambda: None, list)
    view.begin()
    shown = view.render(TextMessage(source="ann", content="Hm."))
    assert shown == "ann\nHm.\n"
    assert view.question("you: Go on?") == "\nyou: Go on?\n"
    view.note_answer("")
    assert answered(view, "No").endswith("No\n")
