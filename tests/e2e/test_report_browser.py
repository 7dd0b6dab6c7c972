"""The page in a real browser: nothing is blocked, nothing is asked for, nothing is logged; skipped where there is none."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from core_evidence import good, judged

from countermark.assess.assess import assess
from countermark.report.build import write
from countermark.report.view import Report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--enable-logging=stderr",
)  # fmt: skip
GREY = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c6368000000820081"
    "77cd72b60000000049454e44ae426082"
)


def shown(page: Path) -> tuple[str, list[str]]:
    """The document as the browser built it, and what it wrote to its console."""
    profile = f"--user-data-dir={page.parent / 'profile'}"
    line = [str(BROWSER), *QUIET, profile, "--dump-dom", page.as_uri()]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode or "<html" not in done.stdout:
        pytest.skip(f"the browser does not start here: {done.stderr[-200:]}")
    return done.stdout, [said for said in done.stderr.splitlines() if ":CONSOLE" in said]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_real_browser_shows_the_whole_page_and_has_nothing_to_say(tmp_path: Path) -> None:
    evidence = good()
    digest = hashlib.sha256(GREY).hexdigest()
    evidence["screening"]["checks"]["data/recurring-patch"]["findings"][0]["exhibits"] = [digest]
    evidence["subject"]["name"] = "<script>document.title='run'</script>"
    verdict = judged(evidence)
    page = write(Report(evidence, verdict, assess(evidence, verdict), {digest: GREY}), tmp_path / "report.html")
    built, console = shown(page)
    assert console == []
    assert "<title>admitted, unwitnessed" in built
    assert 'src="data:image/png;base64,' in built
    assert built.count("<section") == 11


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_the_console_would_tell_what_is_blocked(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\"><script>1</script>")
    assert any("Content Security Policy" in said for said in shown(page)[1])
