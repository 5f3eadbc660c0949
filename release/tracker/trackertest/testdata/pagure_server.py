"""Serves Pagure, as Debian has it, on a loopback port, with projects in it.

Usage: pagure_server.py FOLDER PORT PROJECTS

FOLDER is empty and writable. Once everything is there, tokens.json is written
to it, and requests are served until the process is ended. The queue of
background tasks is a file: nobody works on it, and issues need none of it.
"""

import datetime
import json
import os
import sys
import warnings

warnings.simplefilter("ignore")
folder, port, projects = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
config = os.path.join(folder, "pagure.cfg")
database = "sqlite:///%s/pagure.sqlite" % folder
with open(config, "w") as f:
    f.write(
        "\n".join(
            [
                "SECRET_KEY = SALT_EMAIL = 'only-for-this-test'",
                "DB_URL = %r" % database,
                "APP_URL = 'http://127.0.0.1:%d/'" % port,
                "EMAIL_SEND = False",
                "PAGURE_AUTH = 'local'",
                "REDIS_HOST, REDIS_PORT, REDIS_DB = '127.0.0.1', 1, 0",
                "CELERY_CONFIG = {'broker_transport_options':"
                " {'data_folder_in': %r, 'data_folder_out': %r, 'control_folder': %r}}"
                % (folder, folder, os.path.join(folder, "control")),
            ]
            + ["%s = %r" % (k, folder) for k in ("GIT_FOLDER", "REMOTE_GIT_FOLDER", "ATTACHMENTS_FOLDER", "SSH_FOLDER")]
        )
    )
os.environ["PAGURE_CONFIG"] = config
os.environ["PAGURE_BROKER_URL"] = "filesystem://"

import pagure.config

settings = pagure.config.reload_config()

import flask
from celery import Celery

# There is no place for results with this queue, and nobody asks for any.
plain_init = Celery.__init__
Celery.__init__ = lambda self, *a, **k: plain_init(self, *a, **dict(k, backend="cache+memory://"))

from pagure.flask_app import create_app
from pagure.lib import model, query

session = model.create_tables(settings["DB_URL"], acls=settings["ACLS"])
people = {}
for name in ("person", "assay-bot"):
    people[name] = model.User(
        user=name, fullname=name, default_email=name + "@localhost.localdomain", password="none", token=None
    )
    session.add(people[name])
session.flush()
for n in range(1, projects + 1):
    p = model.Project(
        user_id=people["person"].id, name="project-%d" % n, description="test", hook_token="hook-%d" % n, read_only=False
    )
    p.settings = {"issue_tracker": True}
    p.close_status = ["Fixed", "Invalid", "Won't fix"]
    session.add(p)
    session.flush()
    session.add(model.ProjectUser(project_id=p.id, user_id=people["assay-bot"].id, access="ticket"))
    session.add(model.TagColored(tag="assay", tag_color="DeepBlueSky", project_id=p.id))
session.commit()
tokens = {}
for name, acls in (
    # As the adapter's documentation has them.
    ("assay-bot", ["issue_create", "issue_comment", "issue_change_status", "issue_update"]),
    ("person", sorted(settings["ACLS"])),
):
    query.add_token_to_user(session, None, acls, name, datetime.date.today() + datetime.timedelta(days=7))
    session.commit()
    tokens[name] = session.query(model.Token).filter_by(user_id=people[name].id).one().id
session.remove()

app = create_app()


@app.route("/as-shown", methods=["POST"])
def as_shown():
    """What Pagure makes of a text in a page; its pages need a git repository."""
    return query.text2markdown(flask.request.form["text"])


with open(os.path.join(folder, "tokens.new"), "w") as f:
    json.dump(tokens, f)
os.rename(os.path.join(folder, "tokens.new"), os.path.join(folder, "tokens.json"))
app.run(host="127.0.0.1", port=port, threaded=False)
