"""Leave a file outside the output folder, for a later run to find."""

import json
import os
from pathlib import Path

target = json.loads(os.environ["TARGET"])
Path(target["beside"]).write_text("left behind")
