"""The teacher that needs no model: conversations, descriptions and reasoning over a Scene, true by construction.

What it says of absent things it says only where the Scene is known to be complete (``meta["complete"]``).
"""

from __future__ import annotations

import numpy as np

from nunbit.data.teacher.base import ItemError, Teacher, TeacherReply, TeacherRequest
from nunbit.data.teacher.template_conversation import ConversationTemplate
from nunbit.data.teacher.template_detail import DetailTemplate
from nunbit.data.teacher.template_reasoning import ReasoningTemplate

WRITERS = {"conversation": ConversationTemplate, "detail": DetailTemplate, "reasoning": ReasoningTemplate}


def template_teacher() -> Teacher:
    """The teacher."""

    def ask(request: TeacherRequest) -> TeacherReply:
        writer = WRITERS[request.kind](request.scene, np.random.default_rng(request.seed), request.language)
        text = writer.text()
        if not text:
            raise ItemError("nothing in the picture was recognised")
        return TeacherReply(text, 0, 0)

    return Teacher("template", ask)
