"""What the environment says."""

from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    paragon_api_url: str = "https://sync.useparagon.com"
    paragon_project_id: str
    # The project's private key, as PEM.
    paragon_signing_key: str
    database: str = "receiver.db"
    # Lets anybody read every record of every user: for tests alone.
    expose_state: bool = False
