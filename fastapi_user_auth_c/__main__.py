"""``python -m fastapi_user_auth_c``, see :mod:`fastapi_user_auth_c.cli`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
