"""Chat templates of the families that people use, with tokenizers of their kind, trained here on a few words."""

from __future__ import annotations

from functools import cache

from tests.families import CHATML, GEMMA, QWEN3, WORDS

QWEN = (
    "{%- if tools %}{{- '<|im_start|>system\n# Tools\n' }}{%- for tool in tools %}{{- tool | tojson }}{{ '\n' }}"
    "{%- endfor %}{{- '<|im_end|>\n' }}"
    "{%- endif %}{%- for message in messages %}"
    "{%- if message.role in ('user', 'system') or (message.role == 'assistant' and not message.tool_calls) %}"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}"
    "{%- elif message.role == 'assistant' %}{{- '<|im_start|>assistant' }}{%- if message.content %}"
    "{{- '\n' + message.content }}{%- endif %}"
    "{%- for call in message.tool_calls %}"
    '{{- \'\n<tool_call>\n{"name": "\' + call.function.name + \'", "arguments": \' }}'
    "{{- call.function.arguments | tojson }}{{- '}\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\n' }}"
    "{%- elif message.role == 'tool' %}"
    "{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}{%- endif %}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
LLAMA3 = (
    "{{- bos_token }}{%- for message in messages %}{%- if message.role == 'tool' %}"
    "{{- '<|start_header_id|>ipython<|end_header_id|>\n\n' + message.content | tojson + '<|eot_id|>' }}"
    "{%- elif message.tool_calls %}{%- set call = message.tool_calls[0].function %}"
    '{{- \'<|start_header_id|>assistant<|end_header_id|>\n\n{"name": "\' + call.name + \'", "parameters": \' }}'
    "{{- call.arguments | tojson }}{{- '}<|eot_id|>' }}"
    "{%- else %}{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim +"
    " '<|eot_id|>' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
)
MISTRAL = (
    "{{- bos_token }}{%- for message in messages %}{%- if message.role == 'user' %}"
    "{{- '[INST] ' + message.content + ' [/INST]' }}"
    "{%- elif message.role == 'assistant' %}{{- ' ' + message.content + eos_token }}{%- else %}"
    "{{- raise_exception('only user and assistant roles') }}"
    "{%- endif %}{%- endfor %}"
)
PHI3 = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + '\n' + message['content'] + '<|end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
PLAIN = (  # LLaVA's first stage, as a template: the picture, then words
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ m['content'] + '\n' + eos_token }}{% else %}"
    "{{ m['content'] + '\n' }}{% endif %}{% endfor %}"
)
SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
IM = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>")
# name: (template, kind of tokenizer, control tokens, bos, eos, takes tools, takes a system turn); None: the tokenizer's
# own
_OF = {
    "chatml": (CHATML, "bytes", IM, None, "<|im_end|>", False, True),
    "llama3": (LLAMA3, "bytes", ("<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"),
               "<|begin_of_text|>", "<|eot_id|>", True, True),
    "gemma": (GEMMA, "pieces", ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"), "<bos>", "<eos>",
              False, False),
    "qwen": (QWEN, "bytes", IM, None, "<|im_end|>", True, True),
    "qwen3": (QWEN3, "bytes", IM, None, "<|im_end|>", False, True),
    "mistral": (MISTRAL, "prefixed", ("<unk>", "<s>", "</s>", "[INST]", "[/INST]"), "<s>", "</s>", False, False),
    "phi3": (PHI3, "prefixed", ("<unk>", "<s>", "</s>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"), "<s>",
             "</s>", False, True),
    "vicuna_v1": (None, "prefixed", ("<unk>", "<s>", "</s>"), "<s>", "</s>", False, True),
    "llava_plain": (PLAIN, "metaspace", ("<unk>", "<s>", "</s>"), "<s>", "</s>", False, True),
    "smollm2": (SMOLLM2, "bytes", IM, None, "<|im_end|>", False, True),
}  # fmt: skip
TEMPLATES = ("nunbit", *_OF)


@cache
def tokenizer_of(name: str):
    """A tokenizer with its template, whether the template takes tools, and whether it takes a system turn."""
    if name == "nunbit":
        from nunbit.recipes.tiny.tokenizer import build_tokenizer

        return (
            build_tokenizer(["What", "is", "in", "the", "picture", "dog", "무엇이", "있나요"], ["고양이", "개"]),
            False,
            True,
        )
    template, kind, controls, bos, eos, tools, system = _OF[name]
    made = _trained(kind, controls, bos, eos)
    made.chat_template = template
    return made, tools, system


def _trained(kind, controls, bos, eos):
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    byte_level = kind == "bytes"
    t = Tokenizer(models.BPE(byte_fallback=not byte_level))
    alphabet = []
    if byte_level:
        t.pre_tokenizer, t.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    elif kind == "metaspace":
        t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
        t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first")])
    else:
        before = [normalizers.Prepend("▁")] if kind == "prefixed" else []
        t.normalizer = normalizers.Sequence([*before, normalizers.Replace(" ", "▁")])
        strip = [decoders.Strip(" ", 1, 0)] if kind == "prefixed" else []
        t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip])
    pieces = [] if byte_level else [f"<0x{b:02X}>" for b in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=pieces, initial_alphabet=alphabet, show_progress=False)
    t.train_from_iterator([WORDS, "a  b\n\nc", "[INST] USER: ASSISTANT: <|user|> 무엇이 보이나요"] * 4, trainer)
    from tests.families import _without_specials

    t = _without_specials(t, pieces)
    special = [
        AddedToken(c, special="tool_call" not in c and "think" not in c, normalized=False)
        for c in (*controls, "<image>")
    ]
    t.add_special_tokens([c for c in special if c.special])
    t.add_tokens([c for c in special if not c.special])
    return PreTrainedTokenizerFast(tokenizer_object=t, bos_token=bos, eos_token=eos, clean_up_tokenization_spaces=False)
