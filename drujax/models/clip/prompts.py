"""Initial text of CLIP-LIT's learned prompts: the word "X" sixteen times.

Token ids are those of openai/CLIP's vocabulary (clip/bpe_simple_vocab_16e6.txt.gz at d05afc43): 256 bytes starting at
"!", the same at the end of a word, 48894 merges, and the start and end tokens. The tokenizer lower-cases its text.
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
    """Returns the token ids of `length` words "X", as OpenAI's tokenizer gives them."""
    return np.array([START, *[X] * length, END, *[0] * (CONTEXT - length - 2)])


def end_of(length: int = LENGTH) -> int:
    """Returns the position of the end token in `prompt_tokens`, whose output `TextTransformer` projects."""
    return length + 1


def initial_prompt(words: Float[np.ndarray, "v c"], length: int = LENGTH) -> Float[Array, "t c"]:
    """Looks up `prompt_tokens` in the embedding table `words`: the initial value of both prompts.

    Raises:
        UsageError: the table is smaller than OpenAI's vocabulary.
    """
    if len(words) <= END:
        raise UsageError(f"CLIP's token embedding must have {END + 1} rows, got {len(words)}")
    return jnp.asarray(words[prompt_tokens(length)])
