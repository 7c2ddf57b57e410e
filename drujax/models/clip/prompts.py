"""The text from which CLIP-LIT learns its prompts: sixteen times the word "X".

Numbers of words are those of openai/CLIP's vocabulary (clip/bpe_simple_vocab_16e6.txt.gz at d05afc43): 256 bytes from
"!" on, the same at the end of a word, 48894 merges, and two tokens more. The tokenizer makes texts lower case.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from drujax.errors import UsageError

CONTEXT = 77
LENGTH = 16
X = 256 + ord("x") - ord("!")
START, END = 49406, 49407


def prompt_tokens(length: int = LENGTH) -> Int[np.ndarray, " t"]:
    """The text of `length` words "X" as OpenAI's tokenizer writes it."""
    return np.array([START, *[X] * length, END, *[0] * (CONTEXT - length - 2)])


def end_of(length: int = LENGTH) -> int:
    """The position of the end token in `prompt_tokens`, of which `TextTransformer` takes the output."""
    return length + 1


def initial_prompt(words: Float[np.ndarray, "v c"], length: int = LENGTH) -> Float[Array, "t c"]:
    """The embeddings of `prompt_tokens` by the table `words`: what both prompts are before they are learned.

    Raises:
        UsageError: the table is not of OpenAI's vocabulary.
    """
    if len(words) <= END:
        raise UsageError(f"CLIP's vocabulary has {END + 1} words, not {len(words)}")
    return jnp.asarray(words[prompt_tokens(length)])
