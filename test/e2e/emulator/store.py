"""Gaps of Systems Manager: parameters and Run Command."""

import hashlib
import re

import control
from control import Refused, answers, clock, happened
from moto.core.exceptions import JsonRESTError
from moto.ec2.models import ec2_backends
from moto.ssm.exceptions import ValidationException
from moto.ssm.models import Command, Parameter, ParameterDict, SimpleSystemManagerBackend, ssm_backends

STANDARD_CHARACTERS = 4096
TOO_LONG = (
    "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter "
    "value, upgrade the parameter to use the advanced-parameter tier. For more information, see "
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"
)
NEWEST_IMAGE = re.compile(
    r"/aws/service/(ami-amazon-linux-latest/al2023-ami-kernel-[\d.]+-(arm64|x86_64)"
    r"|debian/release/\d+/latest/(arm64|amd64)"
    r"|canonical/ubuntu/server/[\d.]+/stable/current/(arm64|amd64)/hvm/ebs-gp3/ami-id)"
)
STATUSES = ("Pending", "InProgress", "Delayed", "Success", "Cancelled", "TimedOut", "Failed", "Cancelling")

said: dict[str, dict] = {}
"""By document, what every server answers at once."""
players: set[str] = set()
"""The instances whose commands something runs."""
unanswered: dict[str, list[Command]] = {}
"""By instance."""
control.on_reset += [said.clear, players.clear, unanswered.clear]


def parameters_have_a_length() -> None:
    """A standard parameter takes any length."""
    put = SimpleSystemManagerBackend.put_parameter

    def put_parameter(
        self: SimpleSystemManagerBackend, name: str, description: str, value: str, *args: object, **given: object
    ) -> Parameter:
        if given.get("tier") in (None, "Standard") and len(value or "") > STANDARD_CHARACTERS:
            raise ValidationException(TOO_LONG)
        return put(self, name, description, value, *args, **given)

    SimpleSystemManagerBackend.put_parameter = put_parameter


def parameters_say_what_becomes_of_them() -> None:
    """No change of a parameter is an event on the bus."""
    put, delete = SimpleSystemManagerBackend.put_parameter, SimpleSystemManagerBackend.delete_parameter
    delete_many = SimpleSystemManagerBackend.delete_parameters

    def tell(store: SimpleSystemManagerBackend, parameter: Parameter, operation: str) -> None:
        path = parameter.name.removeprefix("/")
        arn = f"arn:aws:ssm:{store.region_name}:{store.account_id}:parameter/{path}"
        detail = {"name": parameter.name, "type": parameter.parameter_type, "operation": operation}
        happened(store.region_name, "aws.ssm", "Parameter Store Change", detail, [arn])

    def put_parameter(self: SimpleSystemManagerBackend, *args: object, **given: object) -> Parameter:
        parameter = put(self, *args, **given)
        tell(self, parameter, "Create" if parameter.version == 1 else "Update")
        return parameter

    def delete_parameter(self: SimpleSystemManagerBackend, name: str) -> None:
        parameter = self.get_parameter(name)
        delete(self, name)
        tell(self, parameter, "Delete")

    def delete_parameters(self: SimpleSystemManagerBackend, names: list[str]) -> list[str]:
        known = {name: self.get_parameter(name) for name in names}
        deleted = delete_many(self, names)
        for name in deleted:
            tell(self, known[name], "Delete")
        return deleted

    SimpleSystemManagerBackend.put_parameter = put_parameter
    SimpleSystemManagerBackend.delete_parameter = delete_parameter
    SimpleSystemManagerBackend.delete_parameters = delete_parameters


def systems_have_images_everywhere() -> None:
    """The parameters of the newest images are there for Amazon Linux only, and in some regions only."""
    load = ParameterDict._check_loading_status

    def check(self: ParameterDict, key: str) -> None:
        load(self, key)
        if NEWEST_IMAGE.fullmatch(str(key or "")) and not dict.get(self, key):
            _publish(self, key, hashlib.sha256(f"{self.region_name}{key}".encode()).hexdigest()[:17])

    ParameterDict._check_loading_status = check


def _publish(parameters: ParameterDict, name: str, image: str) -> None:
    versions = dict.setdefault(parameters, name, [])
    versions.append(
        Parameter(
            account_id=parameters.account_id,
            name=name,
            value=f"ami-{image}",
            parameter_type="String",
            description=None,
            allowed_pattern=None,
            keyid=None,
            last_modified_date=clock.now(),
            version=len(versions) + 1,
            data_type="aws:ec2:image",
        )
    )


def commands_reach_running_servers() -> None:
    """A command to a server that has ended is a success."""
    find = Command._get_instance_ids_from_targets
    send = SimpleSystemManagerBackend.send_command

    def runs(store: SimpleSystemManagerBackend | Command, region: str, instance_id: str) -> bool:
        instances = ec2_backends[store.account_id][region].all_instances()
        return any(instance.id == instance_id and instance.state == "running" for instance in instances)

    def ids(self: Command) -> list[str]:
        return [found for found in find(self) if runs(self, self.backend_region, found)]

    def send_command(self: SimpleSystemManagerBackend, **given: object) -> Command:
        for instance_id in given["instance_ids"]:
            if not runs(self, self.region_name, instance_id):
                message = f"Instances [[{instance_id}]] not in a valid state for account {self.account_id}"
                raise JsonRESTError("InvalidInstanceId", message)
        return send(self, **given)

    Command._get_instance_ids_from_targets = ids
    SimpleSystemManagerBackend.send_command = send_command


def commands_are_answered() -> None:
    """A command succeeds at once and prints nothing."""
    make, answer = Command.__init__, Command.get_invocation

    def init(self: Command, *args: object, **given: object) -> None:
        make(self, *args, **given)
        for invocation in self.invocations:
            if invocation["InstanceId"] in players and self.document_name not in said:
                invocation |= {"Status": "InProgress", "StatusDetails": "In Progress", "ResponseCode": -1}
                self.status = "InProgress"
                unanswered.setdefault(invocation["InstanceId"], []).append(self)

    def get_invocation(self: Command, *args: object) -> dict:
        return answer(self, *args) | said.get(self.document_name, {})

    Command.__init__ = init
    Command.get_invocation = get_invocation


GAPS = (
    parameters_have_a_length,
    parameters_say_what_becomes_of_them,
    systems_have_images_everywhere,
    commands_reach_running_servers,
    commands_are_answered,
)


def _answer(given: dict) -> dict:
    status = given.get("status", "Success")
    if status not in STATUSES:
        raise Refused(f"status is {status!r}: it is one of {', '.join(STATUSES)}")
    code = {"Success": 0, "Failed": 1}.get(status, -1)
    output = given.get("output", "")
    return {"Status": status, "StatusDetails": status, "ResponseCode": code, "StandardOutputContent": output}


@answers("POST", "answers")
def _set_answer(given: dict, rest: list, query: dict) -> object:
    """What every server that is told to run this document says at once."""
    said[given["document"]] = _answer(given)
    return {}


@answers("POST", "servers")
def _register(given: dict, rest: list, query: dict) -> object:
    """Something runs this server's commands from now on."""
    players.add(given["instance"])
    return {}


@answers("GET", "commands")
def _list_commands(given: dict, rest: list, query: dict) -> object:
    """What a server has not answered yet."""
    return [
        {"command": command.command_id, "document": command.document_name, "parameters": command.parameters}
        for command in unanswered.get(query.get("instance", ""), [])
    ]


@answers("POST", "commands")
def _answer_command(given: dict, rest: list, query: dict) -> object:
    with control.one_at_a_time:
        waiting = unanswered.get(given.get("instance", ""), [])
        command = next((command for command in waiting if command.command_id == rest[0]), None)
        if command is None:
            raise LookupError(f"{given.get('instance')} has no command {rest[0]} to answer")
        waiting.remove(command)
        for invocation in command.invocations:
            if invocation["InstanceId"] == given["instance"]:
                invocation |= _answer(given)
        statuses = {invocation["Status"] for invocation in command.invocations}
        command.status = next(status for status in ("InProgress", "Failed", *statuses) if status in statuses)
        return {}


@answers("POST", "images")
def _publish_image(given: dict, rest: list, query: dict) -> object:
    """A newer image: no one but AWS may write its parameter."""
    if not NEWEST_IMAGE.fullmatch(given.get("parameter", "")):
        raise Refused(f"parameter is {given.get('parameter')!r}: it is that of a newest image")
    with control.one_at_a_time:
        parameters = ssm_backends[control.ACCOUNT][given["region"]]._parameters
        parameters._check_loading_status(given["parameter"])
        _publish(parameters, given["parameter"], given["image"].removeprefix("ami-"))
    return {}
