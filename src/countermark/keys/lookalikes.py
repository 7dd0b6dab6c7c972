"""Names that look like other names: letters of several scripts in one word, and words of another script that read as Latin ones.

Source: Unicode Technical Standard 39, "single script" and "skeleton", with a table of Cyrillic, Greek, Armenian and Cherokee letters that most
typefaces draw like a Latin one; Python's `unicodedata` knows scripts only by the names of characters. Not caught: letters that resemble one
another within a script (rn and m, capital I and l, O and 0), accents, other scripts, and names that merely mean the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from countermark.errors import StatementRefused

_ALPHABETS = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"})
"""Scripts of which one word holds letters of one only; Japanese and Korean words mix others by right."""
_WORD = re.compile(r"[^\W\d_]+")
_BY_NAME = {
    "CYRILLIC CAPITAL LETTER": "A=A VE=B IE=E KA=K EM=M EN=H O=O ER=P ES=C TE=T U=Y HA=X BYELORUSSIAN-UKRAINIAN~I=I JE=J DZE=S "
    "STRAIGHT~U=Y QA=Q WE=W IZHITSA=V KOMI~SJE=G",
    "CYRILLIC SMALL LETTER": "A=a IE=e O=o ER=p ES=c U=y HA=x BYELORUSSIAN-UKRAINIAN~I=i JE=j DZE=s SHHA=h PALOCHKA=l QA=q WE=w "
    "KOMI~DE=d IZHITSA=v",
    "CYRILLIC LETTER": "PALOCHKA=l",
    "GREEK CAPITAL LETTER": "ALPHA=A BETA=B EPSILON=E ZETA=Z ETA=H IOTA=I KAPPA=K MU=M NU=N OMICRON=O RHO=P TAU=T UPSILON=Y CHI=X",
    "GREEK SMALL LETTER": "ALPHA=a IOTA=i KAPPA=k NU=v OMICRON=o RHO=p UPSILON=u GAMMA=y",
    "ARMENIAN CAPITAL LETTER": "OH=O SEH=U TIWN=S LIWN=L",
    "ARMENIAN SMALL LETTER": "OH=o VO=n SEH=u HO=h CO=g ZA=q",
    "CHEROKEE LETTER": "GO=A YV=B TLI=C GV=E MI=H GU=J TSO=K TLE=L LU=M TLV=P SV=R DU=S I=T DO=V LA=W NO=Z",
    "LATIN SMALL LETTER": "DOTLESS~I=i",
}


def _table() -> dict[int, str]:
    out = {}
    for prefix, pairs in _BY_NAME.items():
        for pair in pairs.split():
            name, _, latin = pair.partition("=")
            out[ord(unicodedata.lookup(f"{prefix} {name.replace('~', ' ')}"))] = latin
    return out


_LATIN = _table()


def plain(name: str) -> str:
    """What two ways of writing one name share: case, spaces, punctuation and marks that nobody sees tell none apart."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(c for c in folded if c.isalnum())


def skeleton(name: str) -> str:
    """The same, letters of other scripts that are drawn like a Latin one taken for it."""
    return plain(unicodedata.normalize("NFKC", name).translate(_LATIN))


def mixed(name: str) -> str:
    """The first word that mixes letters of two alphabets, or an empty string."""
    if name.isascii():
        return ""
    for word in _WORD.findall(unicodedata.normalize("NFKC", name)):
        if len({_script(letter) for letter in word} & _ALPHABETS) > 1:
            return str(word)
    return ""


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


def refuse_lookalikes(names: Iterable[str], what: str) -> None:
    """Refuse names that pass for others: a reader compares them by eye, and trusts what they seem to say.

    Args:
        names: of all parties, each as often as it stands there. what: they are, for people.

    Raises:
        StatementRefused: one mixes alphabets within a word, or two of them look alike and are not the same.
    """
    seen: dict[str, str] = {}
    for name in dict.fromkeys(names):
        if word := mixed(name):
            scripts = ", ".join(f"{c} {_script(c).title()}" for c in dict.fromkeys(word) if not c.isascii())
            raise StatementRefused(
                f"the {what} {name!r:.80} mixes letters of two alphabets in one word", why=f"{word:.60}: {scripts:.120} among Latin or other letters",
                mend="have the party enrol again with its name in one alphabet",
            )  # fmt: skip
        other = seen.setdefault(skeleton(name), name)
        if plain(other) != plain(name):
            raise StatementRefused(
                f"the {what}s {other!r:.60} and {name!r:.60} look alike and are written with other letters",
                why="whoever reads them takes one for the other", mend="ask both parties over another channel who they are",
            )  # fmt: skip
