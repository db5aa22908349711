"""The demo for the browser tests: ``python serve.py PORT FOLDER``; settings and language come from the environment."""

import sys

import uvicorn

from fastapi_user_auth_c.demo import create_app

if __name__ == "__main__":
    port, folder = sys.argv[1:]
    uvicorn.run(create_app(amis_assets=folder), host="127.0.0.1", port=int(port), log_level="warning")
