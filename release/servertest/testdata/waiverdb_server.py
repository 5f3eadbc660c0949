"""WaiverDB as it is, with an SQLite database and without authentication: whoever
names a user is that user. Arguments: the database file, the port."""

import os
import sys

# It asks for GSSAPI's library unless its documentation is being made.
os.environ["DOCS"] = "true"

from waiverdb.app import create_app
from waiverdb.config import Config
from waiverdb.models import db
from werkzeug.serving import run_simple


class ForTests(Config):
    DEBUG = False
    AUTH_METHOD = "dummy"
    MESSAGE_BUS_PUBLISH = False
    DATABASE_URI = "sqlite:///" + sys.argv[1]
    SQLALCHEMY_TRACK_MODIFICATIONS = False
    SECRET_KEY = "only-for-this-test"
    SUPERUSERS = ["assay-bot"]


app = create_app(ForTests)
with app.app_context():
    db.create_all()
run_simple("127.0.0.1", int(sys.argv[2]), app)
