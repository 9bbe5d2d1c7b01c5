#!/bin/bash
#SBATCH --job-name=sts
#SBATCH --ntasks=1
#SBATCH --time=00:05:00
# A job on the toolchain's Python: the module, and a client in a virtual environment that was made with it.
set -euo pipefail
module use /opt/.tlsfloor/modulefiles
module load python-min-tls1_2
python3 -c 'import ssl; print(ssl.OPENSSL_VERSION, "TLS 1.1:", ssl.HAS_TLSv1_1)'
if [ -n "${VENV:-}" ]; then
  "$VENV/bin/aws" sts get-caller-identity
fi
