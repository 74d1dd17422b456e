"""What the API fuzzer must not do: connect to other machines, or revoke the key it works with."""

import os

import schemathesis

# Nothing listens there, so that whatever is asked fails at once.
NOWHERE = "http://127.0.0.1:9"
# What is to live to the end: the key in use, and objects for the other requests to meet.
KEPT = os.environ["KEPT"].split()


def at_home(value):
    """The same value with every URL in it leading nowhere."""
    if isinstance(value, str) and value.lower().startswith(("http://", "https://")):
        return NOWHERE
    if isinstance(value, list):
        return [at_home(item) for item in value]
    if isinstance(value, dict):
        return {name: at_home(item) for name, item in value.items()}
    return value


@schemathesis.hook
def before_call(context, case, kwargs):
    case.body = at_home(case.body)
    for name, value in case.path_parameters.items():
        if value in KEPT and (case.method == "DELETE" or name == "api_key"):
            prefix = value.split("_")[0]
            case.path_parameters[name] = f"{prefix}_00000000000070008000000000000000"
